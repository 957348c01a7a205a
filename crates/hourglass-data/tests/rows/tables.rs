//! Tables: what columns become, how they are found by name, and what is refused.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hourglass_data::{
    DataError, DataOptions, Input, Kind, Locations, Missing, RowOptions, Scaling, Splits, Subset,
};
use hourglass_samples::ColumnKind;
use tempfile::TempDir;

use super::Place;

impl Place {
    fn open_text(&self, text: &str, options: &DataOptions) -> Result<Splits, DataError> {
        self.write("table.csv", text);
        self.open("table.csv", options)
    }

    #[track_caller]
    fn refusal_of(&self, text: impl AsRef<[u8]>, options: &DataOptions) -> String {
        self.write("table.csv", text);
        let error = self.refusal("table.csv", options);
        assert!(error.contains("table.csv"), "{error}");
        error
    }
}

fn rows(change: impl FnOnce(&mut RowOptions)) -> DataOptions {
    let mut options = DataOptions::default();
    change(&mut options.rows);
    options
}

fn raw(splits: &Splits, index: usize) -> Vec<f64> {
    splits.train().raw(index)
}

/// The kinds of columns by name, for short.
fn kinds(splits: &Splits) -> Vec<(String, String)> {
    let columns = splits.train().input().columns().iter();
    let named = columns.map(|column| {
        let kind = match &column.kind {
            ColumnKind::Numeric(_) => "number".to_owned(),
            ColumnKind::YesNo { values } => format!("yes/no {}", values.join(" ")),
            ColumnKind::Categorical { values } => format!("category {}", values.join(" ")),
        };
        (column.name.clone(), kind)
    });
    named.collect()
}

const MIXED: &str = "weight,smokes,colour,flag,\"full, name\",kind\n\
                     70.5,yes,red,0,Ann,2\n\
                     60,no,green,1,\"Bob \"\"B\"\"\",1\n\
                     -1e2,no,\"red\",1,Cid,2\n";

#[test]
fn columns_are_numbers_opposites_and_categories() {
    let place = Place::new();
    let options = rows(|rows| {
        rows.id = Some("full, name".into());
        rows.label = Some("kind".into());
    });
    let splits = place.open_text(MIXED, &options).unwrap();
    let train = splits.train();
    assert_eq!((train.kind(), train.len()), (Kind::Table, 3));
    let expected = [
        ("weight", "number"),
        ("smokes", "yes/no yes no"),
        ("colour", "category red green"),
        ("flag", "yes/no 0 1"),
    ];
    let expected = expected.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(kinds(&splits), expected);
    assert_eq!(raw(&splits, 1), [60.0, 1.0, 1.0, 1.0]);
    assert_eq!(raw(&splits, 2), [-100.0, 1.0, 0.0, 1.0]);
    assert_eq!(train.id(1), Some("Bob \"B\""));
    // Labels in the order of their names.
    assert_eq!(train.labels(), Some(&[1, 0, 1][..]));
    assert_eq!(train.label_names().unwrap(), ["1", "2"]);
    assert_eq!(train.find_label("2").unwrap(), 1);
    // As features: one number each, and one for each category.
    assert_eq!(train.features_of(1), [60.0, 1.0, 0.0, 1.0, 1.0]);
    // A second time from the cache.
    let again = place.open("table.csv", &options).unwrap();
    assert_eq!(again.train().sha256(), train.sha256());
    assert_eq!(again.train().id(2), Some("Cid"));
    assert!(splits.report().cache.is_some());
}

#[test]
fn separators_commas_marks_and_line_ends_are_told_by_the_file() {
    let place = Place::new();
    for text in [
        "a;b\n1,5;2\n3;4,25\n",
        "a\tb\r\n1.5\t2\r\n3\t4.25\r\n",
        "\u{feff}a|b\n1.5|2\n3|4.25",
        "a,b\n 1.5 , 2 \n+3,4.25e0\n",
        "\"a\",\"b\"\n\"1.5\",\"2\"\n3,4.25\n",
    ] {
        let splits = place.open_text(text, &DataOptions::default());
        let splits = splits.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(raw(&splits, 0), [1.5, 2.0], "{text:?}");
        assert_eq!(raw(&splits, 1), [3.0, 4.25], "{text:?}");
        assert_eq!(kinds(&splits)[0].0, "a", "{text:?}");
    }
}

#[test]
fn a_comma_is_decimal_only_where_it_does_not_separate() {
    let place = Place::new();
    let error = place.refusal_of("a,b\n1,2\n\"1,234\",3\n", &DataOptions::default());
    assert!(
        error.contains("row 2, column `a`") && error.contains("`1,234`"),
        "{error}"
    );
}

#[test]
fn labels_of_numbers_and_texts_have_one_order() {
    let place = Place::new();
    let labels: Vec<String> = (0..60)
        .map(|row| match row % 3 {
            0 => format!("{row}"),
            1 => format!("1{}a", row % 7),
            _ => format!("b{}", row % 5),
        })
        .collect();
    let rows_of: String = labels
        .iter()
        .map(|label| format!("1.5,{label}\n"))
        .collect();
    let splits = place.open_text(
        &format!("a,label\n{rows_of}"),
        &rows(|rows| rows.label = Some("label".into())),
    );
    let splits = splits.unwrap();
    let names = splits.train().label_names().unwrap().to_vec();
    let numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    assert!(
        numbers.is_sorted()
            && names[..numbers.len()]
                .iter()
                .all(|name| name.parse::<u32>().is_ok())
    );
    for (row, label) in labels.iter().enumerate() {
        let number = splits.train().label(row).unwrap();
        assert_eq!(&names[usize::from(number)], label);
    }
}

#[test]
fn other_numbers_in_a_column_of_0_and_1_are_taken_as_they_are() {
    let place = Place::new();
    let splits = place.open_text(
        "flag,always,code\n0,0,01\n1,0,1\n",
        &rows(|rows| rows.categorical = vec!["code".into()]),
    );
    let splits = splits.unwrap();
    let kinds: Vec<String> = kinds(&splits).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["yes/no 0 1", "number", "category 01 1"]);
    let like = DataOptions {
        input: Some(splits.train().input().clone()),
        ..DataOptions::default()
    };
    let splits = place
        .open_text("flag,always,code\n5,3,1\n1.0,0,1.0\n", &like)
        .unwrap();
    assert_eq!(raw(&splits, 0), [5.0, 3.0, 1.0]);
    // 1.0 may be 01 or 1.
    assert_eq!(raw(&splits, 1), [1.0, 0.0, 2.0]);
    let error = place.refusal_of("flag,always,code\nmaybe,3,1\n", &like);
    assert!(
        error.contains("expected 0 or 1") && error.contains("`maybe`"),
        "{error}"
    );
}

#[test]
fn an_open_quotation_mark_does_not_fill_the_memory() {
    let place = Place::new();
    let mut text = b"a,b\n1,\"".to_vec();
    text.resize(70 << 20, b'x');
    let error = place.refusal_of(text, &DataOptions::default());
    assert!(error.contains("quotation mark"), "{error}");
}

#[test]
fn packed_tables_are_read_as_they_are() {
    let place = Place::new();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(MIXED.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    place.write("t.csv.gz", &packed);
    let splits = place.open("t.csv.gz", &DataOptions::default()).unwrap();
    assert_eq!(splits.train().len(), 3);
    place.write("t.csv.gz", &packed[..packed.len() - 12]);
    let error = place.open("t.csv.gz", &DataOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("t.csv.gz"), "{error}");
}

#[test]
fn a_models_columns_are_found_by_their_names() {
    let place = Place::new();
    let all = "a,colour,b\n1,red,10\n2,green,20\n3,red,30\n";
    let splits = place.open_text(all, &DataOptions::default()).unwrap();
    let fitted = Subset::all(splits.train()).fit(Scaling::Standard);
    let like = DataOptions {
        input: Some(fitted.input.clone()),
        ..DataOptions::default()
    };
    let other = "extra,b,a,colour\n7,20,2,blue\n7,20,2,green\n";
    let splits = place.open_text(other, &like).unwrap();
    assert_eq!(raw(&splits, 0), [2.0, 2.0, 20.0]);
    // The means of training become 0; a colour that training did not have is none of the others.
    assert_eq!(splits.train().features_of(0), [0.0, 0.0, 0.0, 0.0]);
    assert_eq!(splits.train().features_of(1), [0.0, 0.0, 1.0, 0.0]);
    let notes = splits.report().notes.join("\n");
    for part in ["another order", "extra", "`colour`: 1 cells"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let error = place.refusal_of("a,color,b\n1,red,2\n", &like);
    assert!(
        error.contains("none named colour") && error.contains("color"),
        "{error}"
    );
    let error = place.refusal_of("a,colour,b\n1,red,\n", &like);
    assert!(
        error.contains("row 1, column `b`") && error.contains("--missing"),
        "{error}"
    );
    let error = place.refusal_of("a,colour,b\n1,red,x\n", &like);
    assert!(
        error.contains("expected a number") && error.contains("`x`"),
        "{error}"
    );
}

#[test]
fn missing_cells_are_refused_filled_or_marked() {
    let place = Place::new();
    let text = "a,b,c\n1,x,2\n,y,2\n3,,2\nNA,x,2\n";
    let error = place.refusal_of(text, &DataOptions::default());
    assert!(
        error.contains("row 2, column `a`") && error.contains("--missing mean"),
        "{error}"
    );
    let fitted = |missing| {
        let splits = place
            .open_text(text, &rows(|rows| rows.missing = missing))
            .unwrap();
        let fitted = Subset::all(splits.train()).fit(Scaling::Standard);
        assert!(fitted.notes.join(" ").contains(": c"), "{:?}", fitted.notes);
        splits.with_input(&fitted.input)
    };
    let mean = fitted(Missing::Mean);
    assert_eq!(mean.train().features_of(0), [-1.0, 1.0, 0.0, 0.0]);
    assert_eq!(mean.train().features_of(1), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(mean.train().features_of(2), [1.0, 0.0, 0.0, 0.0]);
    let marked = fitted(Missing::Indicator);
    assert_eq!(
        marked.train().features_of(1),
        [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]
    );
    let names = marked.train().input().columns()[0].feature_names();
    assert_eq!(names.collect::<Vec<_>>(), ["a", "a is missing"]);
}

#[test]
fn what_is_wrong_is_named_with_row_and_column() {
    let place = Place::new();
    let labelled = rows(|rows| rows.label = Some("label".into()));
    let plain = DataOptions::default();
    let wide: String = (0..200_000).map(|place| format!("c{place},")).collect();
    for (text, options, parts) in [
        ("", &plain, &["an empty file"][..]),
        ("a,b\n", &plain, &["no row"]),
        ("1,2\n3,4\n", &plain, &["numbers only", "1, 2"]),
        (
            "a,b\n1,2\n3\n",
            &plain,
            &["row 2 (line 3)", "expected 2 cells", "found 1"],
        ),
        ("a,b\n1,2\n3,4,5\n", &plain, &["row 2", "found 3"]),
        (
            "a,b\n1,2\n3,x\n",
            &plain,
            &[
                "row 2, column `b`",
                "expected a number",
                "`x`",
                "--categorical",
            ],
        ),
        (
            "a,b\n1,2\n3,inf\n",
            &plain,
            &["row 2, column `b`", "finite", "inf"],
        ),
        (
            "a,b\n1,2\n3,1e39\n",
            &plain,
            &["row 2, column `b`", "finite"],
        ),
        ("a,a\n1,2\n", &plain, &["`a` for the columns 1 and 2"]),
        ("a,,b\n1,2,3\n", &plain, &["none for column 2"]),
        (
            "a,lable\n1,2\n",
            &labelled,
            &["--label", "`label`", "did you mean `lable`?"],
        ),
        (
            "label\n1\n",
            &labelled,
            &["at least one column of features"],
        ),
        ("a,label\n1,x\n2,\n", &labelled, &["row 2, column `label`"]),
        (&wide, &plain, &["at most 131072 columns"]),
    ] {
        let error = place.refusal_of(text, options);
        for part in parts {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    let error = place.refusal_of(b"a,b\n1,caf\xe9\n", &plain);
    assert!(
        error.contains("UTF-8") && error.contains("row 1, column `b`"),
        "{error}"
    );
    let ids: String = (0..1001).map(|row| format!("{row},name{row}\n")).collect();
    let error = place.refusal_of(format!("a,b\n{ids}"), &plain);
    assert!(
        error.contains("row 1001, column `b`") && error.contains("--id"),
        "{error}"
    );
    let error = place.refusal_of(
        "a,b\n1,2\n",
        &rows(|rows| rows.columns = Some(vec!["a".into(), "a".into()])),
    );
    assert!(error.contains("`a` twice"), "{error}");
    let error = place.refusal_of("a\n1\n", &rows(|rows| rows.array = Some("x".into())));
    assert!(error.contains("data.array"), "{error}");
}

#[test]
fn names_that_are_counted_are_a_header() {
    let place = Place::new();
    let splits = place
        .open_text(",0,1\n5,1.5,2\n6,3,4\n", &DataOptions::default())
        .unwrap();
    assert_eq!(raw(&splits, 1), [3.0, 4.0]);
    assert_eq!(splits.train().id(1), Some("6"));
    assert!(splits.report().notes[0].contains("ids of the rows"));
}

#[test]
fn columns_are_chosen_and_numbers_may_be_categories() {
    let place = Place::new();
    let options = rows(|rows| {
        rows.columns = Some(vec!["code".into(), "a".into()]);
        rows.categorical = vec!["code".into()];
    });
    let splits = place
        .open_text("a,code,rest\n1,30,x\n2,10,y\n3,30,z\n", &options)
        .unwrap();
    let kinds: Vec<String> = kinds(&splits).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["category 30 10", "number"]);
    assert_eq!(raw(&splits, 1), [1.0, 2.0]);
}

#[test]
fn samples_for_testing_come_from_a_share_or_a_file() {
    let place = Place::new();
    let many: String = (0..50).map(|row| format!("{row},{}\n", row % 3)).collect();
    let labelled = rows(|rows| rows.label = Some("label".into()));
    let share = DataOptions {
        test_fraction: Some(0.2),
        ..labelled.clone()
    };
    let splits = place
        .open_text(&format!("a,label\n{many}"), &share)
        .unwrap();
    let test = splits.test().unwrap();
    assert_eq!((splits.train().len(), test.len()), (40, 10));
    let both = (0..40).map(|index| splits.train().raw(index)[0]);
    let mut both: Vec<f64> = both
        .chain((0..10).map(|index| test.raw(index)[0]))
        .collect();
    both.sort_unstable_by(f64::total_cmp);
    assert!(both.into_iter().eq((0..50).map(f64::from)));
    for index in 0..10 {
        let (row, label) = (test.raw(index)[0] as u32, test.label(index).unwrap());
        assert_eq!(row % 3, u32::from(label));
    }
    assert_ne!(splits.train().sha256(), test.sha256());

    let other = place.write("other.csv", "label,a\n7,1\n0,2\n");
    let apart = DataOptions {
        test: Some(other.to_str().unwrap().into()),
        ..labelled
    };
    let splits = place.open("table.csv", &apart).unwrap();
    let test = splits.test().unwrap();
    assert_eq!(test.raw(1), [2.0]);
    assert_eq!(test.label_names().unwrap(), ["0", "1", "2", "7"]);
    assert_eq!(splits.train().label_names(), test.label_names());
    assert_eq!(test.labels(), Some(&[3, 0][..]));
}

#[test]
fn tables_and_images_have_settings_of_their_own() {
    let place = Place::new();
    let mut options = DataOptions::default();
    options.images.strict = true;
    let error = place.refusal_of("a\n1\n2\n", &options);
    assert!(error.contains("data.strict"), "{error}");
    let images = DataOptions {
        kind: Some(Kind::Image),
        ..DataOptions::default()
    };
    let error = place.refusal_of("a\n1\n2\n", &images);
    assert!(error.contains("expected a PNG or JPEG image"), "{error}");
}

#[test]
fn the_table_in_the_program_is_uci_s() {
    let data = TempDir::new().unwrap();
    let locations = Locations::from_env(Some(data.path().into()));
    let splits = hourglass_data::open("breast-cancer", &locations).unwrap();
    let train = splits.train();
    assert_eq!((train.len(), train.features()), (569, 30));
    assert_eq!(train.label_names().unwrap(), ["benign", "malignant"]);
    let malignant = train.labels().unwrap().iter().filter(|&&label| label == 1);
    assert_eq!(malignant.count(), 212);
    assert_eq!(train.raw(0)[0] as f32, 17.99);
    let input: Arc<Input> = Subset::all(train).fit(Scaling::Standard).input;
    assert_eq!(input.columns()[3].name, "mean_area");
}
