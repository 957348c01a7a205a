//! Parquet files as tables: which columns are taken, and as what.

use std::path::PathBuf;
use std::sync::Arc;

use ::parquet::column::writer::ColumnWriter;
use ::parquet::data_type::ByteArray;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use hourglass_data::{DataOptions, Missing};
use hourglass_samples::ColumnKind;

use super::Place;

/// The cells of a column; for each row whether it has one, where it may have none.
enum Cells {
    Bools(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>, Vec<bool>),
    Texts(Vec<&'static str>),
}

/// Writes a file, whose columns are those of a schema in Parquet's own words, in groups of rows.
fn write(path: &PathBuf, schema: &str, groups: &[Vec<Cells>]) {
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {schema} }}")).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for cells in columns {
            let mut column = group.next_column().unwrap().unwrap();
            match (column.untyped(), cells) {
                (ColumnWriter::BoolColumnWriter(column), Cells::Bools(cells)) => {
                    column.write_batch(cells, None, None).unwrap();
                }
                (ColumnWriter::Int32ColumnWriter(column), Cells::Int32(cells)) => {
                    column.write_batch(cells, None, None).unwrap();
                }
                (ColumnWriter::Int64ColumnWriter(column), Cells::Int64(cells)) => {
                    column.write_batch(cells, None, None).unwrap();
                }
                (ColumnWriter::FloatColumnWriter(column), Cells::Floats(cells)) => {
                    column.write_batch(cells, None, None).unwrap();
                }
                (ColumnWriter::DoubleColumnWriter(column), Cells::Doubles(cells, are_there)) => {
                    let levels: Vec<i16> = are_there.iter().map(|&is| i16::from(is)).collect();
                    column.write_batch(cells, Some(&levels), None).unwrap();
                }
                (ColumnWriter::ByteArrayColumnWriter(column), Cells::Texts(cells)) => {
                    let cells: Vec<ByteArray> = cells.iter().map(|&text| text.into()).collect();
                    column.write_batch(&cells, None, None).unwrap();
                }
                _ => panic!("cells of another type than the column"),
            }
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// The file that every test writes.
const FILE: &str = "table.parquet";

#[test]
fn typed_columns_become_numbers_opposites_and_categories() {
    let place = Place::new();
    let schema = "required boolean flag; required int32 small (INTEGER(32,false)); required int64 large; \
                  required float x; optional double y; required binary town (STRING);";
    let group = |first: i32, texts: [&'static str; 2]| {
        vec![
            Cells::Bools(vec![first == 0, true]),
            Cells::Int32(vec![first, -1]),
            Cells::Int64(vec![1 << 40, 7]),
            Cells::Floats(vec![0.5, -0.5]),
            Cells::Doubles(vec![2.5], vec![first != 0, first == 0]),
            Cells::Texts(texts.into()),
        ]
    };
    write(
        &place.path(FILE),
        schema,
        &[group(0, ["Bern", "12"]), group(5, ["Bern", "Rome"])],
    );
    let error = place
        .open(FILE, &DataOptions::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("row 1, column `y`"), "{error}");
    let mut options = DataOptions::default();
    options.rows.missing = Missing::Mean;
    let splits = place.open(FILE, &options).unwrap();
    let train = splits.train();
    assert_eq!(train.len(), 4);
    let row = |index: usize| train.raw(index);
    assert_eq!(row(1)[..4], [1.0, f64::from(u32::MAX as f32), 7.0, -0.5]);
    assert_eq!(row(2)[..4], [0.0, 5.0, (1_u64 << 40) as f64, 0.5]);
    assert!(row(0)[4].is_nan() && row(1)[4] == 2.5 && row(2)[4] == 2.5 && row(3)[4].is_nan());
    assert_eq!(
        (0..4).map(|index| row(index)[5]).collect::<Vec<_>>(),
        [0.0, 1.0, 0.0, 2.0]
    );
    let town = &train.input().columns()[5].kind;
    assert!(
        matches!(town, ColumnKind::Categorical { values } if values == &["Bern", "12", "Rome"])
    );
    assert!(matches!(
        train.input().columns()[0].kind,
        ColumnKind::YesNo { .. }
    ));
}

#[test]
fn columns_that_are_no_numbers_and_no_texts_are_refused_unless_they_are_left_out() {
    let place = Place::new();
    for (schema, part) in [
        ("required int32 bad (DATE); required float x;", "Date"),
        (
            "required int64 bad (DECIMAL(10,2)); required float x;",
            "Decimal",
        ),
        (
            "required group bad { required int32 part; } required float x;",
            "nested values",
        ),
    ] {
        let cells = match schema.contains("int64") {
            true => Cells::Int64(vec![1, 2]),
            false => Cells::Int32(vec![1, 2]),
        };
        write(
            &place.path(FILE),
            schema,
            &[vec![cells, Cells::Floats(vec![1.0, 2.0])]],
        );
        let error = place
            .open(FILE, &DataOptions::default())
            .unwrap_err()
            .to_string();
        for part in [part, "bad", "--columns"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let mut options = DataOptions::default();
        options.rows.columns = Some(vec!["x".into()]);
        assert_eq!(place.open(FILE, &options).unwrap().train().raw(1), [2.0]);
    }
}

#[test]
fn damaged_files_are_refused() {
    let place = Place::new();
    let columns = || vec![Cells::Floats((0..500).map(|row| row as f32).collect())];
    write(
        &place.path(FILE),
        "required float x;",
        &[columns(), columns()],
    );
    let whole = std::fs::read(place.path(FILE)).unwrap();
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(place.path(FILE), &whole[..length]).unwrap();
        let error = place
            .open(FILE, &DataOptions::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("table.parquet"), "{length}: {error}");
    }
    for place_of_damage in (4..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[place_of_damage] ^= 0xff;
        std::fs::write(place.path(FILE), &damaged).unwrap();
        // Either numbers come out, or an error: nothing panics or takes all memory.
        let _ = place.open(FILE, &DataOptions::default());
    }
}
