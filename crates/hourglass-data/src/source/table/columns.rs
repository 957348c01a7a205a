//! Which columns of a file are what, and the kind of each feature as it shows while rows are read.

use hourglass_samples::{Affine, Column, ColumnKind, Input, Missing, Scaling};
use std::collections::{HashMap, HashSet};

use super::block::{Cell, is_missing};
use super::fault::TableFault;
use super::place::Place;
use crate::options::RowOptions;

/// The most different values of a column of text.
const MOST_VALUES: usize = 1000;

/// How many unknown names an error lists.
const MOST_NAMES: usize = 12;

/// Texts that are opposites, as pandas, R, Excel and people write them.
const OPPOSITES: [[&str; 2]; 6] = [
    ["no", "yes"],
    ["false", "true"],
    ["n", "y"],
    ["f", "t"],
    ["off", "on"],
    ["negative", "positive"],
];

/// What becomes of a file's columns.
pub(super) struct Roles {
    /// The places of the features' columns, in the order of the features.
    pub(super) features: Vec<usize>,
    pub(super) label: Option<usize>,
    pub(super) id: Option<usize>,
    /// What may surprise.
    pub(super) notes: Vec<String>,
}

impl Roles {
    /// The roles of columns with these names.
    pub(super) fn new(
        names: &[String],
        options: &RowOptions,
        model: Option<&Input>,
    ) -> Result<Self, TableFault> {
        check_names(names)?;
        let mut notes = Vec::new();
        let label = options.label.as_deref();
        let label = label.map(|name| find(names, name, "--label")).transpose()?;
        let mut id = match &options.id {
            Some(name) => Some(find(names, name, "--id")?),
            None => None,
        };
        // pandas writes its index as a first column without a name, or by this name.
        let index = (names.iter().enumerate())
            .position(|(place, name)| place == 0 && name.is_empty() || name == "__index_level_0__");
        if let (None, Some(place)) = (id, index) {
            id = Some(place);
            notes.push(format!(
                "column {} has no name of its own: its cells are taken as the ids of the rows",
                place + 1
            ));
        }
        let is_other = |place: usize| Some(place) == label || Some(place) == id;
        let features: Vec<usize> = match (model, &options.columns) {
            (Some(model), _) => of_model(names, model, &mut notes, is_other)?,
            (None, Some(columns)) => {
                let places = columns.iter().map(|name| find(names, name, "--columns"));
                places.collect::<Result<_, _>>()?
            }
            (None, None) => (0..names.len()).filter(|&place| !is_other(place)).collect(),
        };
        if let Some(&place) = features.iter().find(|&&place| is_other(place)) {
            let name = &names[place];
            return Err(TableFault::Names(format!(
                "`{name}` among the features and as label or id"
            )));
        }
        let mut seen = HashSet::new();
        if let Some(&twice) = features.iter().find(|place| !seen.insert(**place)) {
            let name = &names[twice];
            return Err(TableFault::Names(format!(
                "`{name}` twice among the columns"
            )));
        }
        for name in &options.categorical {
            let place = find(names, name, "--categorical")?;
            if !features.contains(&place) {
                return Err(TableFault::NotAFeature(name.clone()));
            }
        }
        if features.is_empty() {
            let others = names.join(", ");
            return Err(TableFault::NoFeatures(others));
        }
        Ok(Self {
            features,
            label,
            id,
            notes,
        })
    }
}

/// The places of a model's columns, found by their names.
fn of_model(
    names: &[String],
    model: &Input,
    notes: &mut Vec<String>,
    is_other: impl Fn(usize) -> bool,
) -> Result<Vec<usize>, TableFault> {
    let places: HashMap<&str, usize> = (0..)
        .zip(names)
        .map(|(place, name)| (name.as_str(), place))
        .collect();
    let columns = model.columns().iter();
    let found: Vec<Option<usize>> = columns
        .map(|column| places.get(column.name.as_str()).copied())
        .collect();
    let missing = model.columns().iter().zip(&found);
    let missing: Vec<&str> = missing
        .filter_map(|(column, place)| place.is_none().then_some(column.name.as_str()))
        .collect();
    if !missing.is_empty() {
        let spare =
            (0..names.len()).filter(|&place| !found.contains(&Some(place)) && !is_other(place));
        let spare: Vec<&str> = spare.map(|place| names[place].as_str()).collect();
        let others = match spare.is_empty() {
            true => String::new(),
            false => format!("; the file also has {}", listed(&spare)),
        };
        return Err(TableFault::MissingColumns(format!(
            "{}{others}",
            listed(&missing)
        )));
    }
    let found: Vec<usize> = found.into_iter().flatten().collect();
    if !found.is_sorted() {
        notes.push("the columns are in another order than those that the model was trained on: they are taken by their names".into());
    }
    let passed_over = (0..names.len()).filter(|place| !found.contains(place) && !is_other(*place));
    let passed_over: Vec<&str> = passed_over.map(|place| names[place].as_str()).collect();
    if !passed_over.is_empty() {
        notes.push(format!(
            "passed over columns that the model does not know: {}",
            listed(&passed_over)
        ));
    }
    Ok(found)
}

fn check_names(names: &[String]) -> Result<(), TableFault> {
    let mut places = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        if name.is_empty() && place > 0 {
            return Err(TableFault::Names(format!("none for column {}", place + 1)));
        }
        if let Some(earlier) = places.insert(name, place) {
            return Err(TableFault::Names(format!(
                "`{name}` for the columns {} and {}",
                earlier + 1,
                place + 1
            )));
        }
    }
    Ok(())
}

fn find(names: &[String], name: &str, what: &'static str) -> Result<usize, TableFault> {
    let name = name.trim();
    let found = names.iter().position(|other| other == name);
    found.ok_or_else(|| {
        let distance = |other: &&String| strsim::levenshtein(other, name);
        let close = names
            .iter()
            .filter(|other| distance(other) <= 2)
            .min_by_key(distance);
        TableFault::UnknownColumn {
            what,
            name: name.into(),
            known: listed(&names.iter().map(String::as_str).collect::<Vec<_>>()),
            close: close
                .map(|close| format!("; did you mean `{close}`?"))
                .unwrap_or_default(),
        }
    })
}

/// Names in a sentence, not all where there are many.
fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A column of features while its cells are read.
pub(super) struct FeatureColumn {
    name: String,
    state: State,
    /// Of a model's column: cells with categories that training did not have.
    unknown: u64,
}

enum State {
    /// No cell had a value yet.
    Undecided,
    /// Numbers; whether all of them are 0 or 1, and which of these there were.
    Numbers { are_bits: bool, seen: [bool; 2] },
    /// Texts, numbered in the order in which they come.
    Texts(Dictionary),
    /// A column of a model, of which nothing is left open, and the places of its values.
    Fixed(ColumnKind, Places),
}

/// Texts and their numbers.
#[derive(Default)]
pub(super) struct Dictionary {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

impl Dictionary {
    pub(super) fn of(texts: &[String]) -> Self {
        Self {
            numbers: texts.iter().cloned().zip(0..).collect(),
            texts: texts.to_vec(),
        }
    }

    /// The number of a text, a new one where it is new; nothing where there would be more than `most`.
    pub(super) fn number(&mut self, text: &str, most: usize) -> Option<usize> {
        if let Some(&number) = self.numbers.get(text) {
            return Some(number);
        }
        let number = self.texts.len();
        (number < most).then(|| {
            self.numbers.insert(text.into(), number);
            self.texts.push(text.into());
            number
        })
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

/// The places of a column's values: by their text or, where that is unknown, by the number that only one of them is.
struct Places {
    texts: HashMap<String, usize>,
    numbers: HashMap<u64, Option<usize>>,
}

impl Places {
    fn of(kind: &ColumnKind) -> Self {
        let values: &[String] = match kind {
            ColumnKind::Numeric(_) => &[],
            ColumnKind::YesNo { values } => values,
            ColumnKind::Categorical { values } => values,
        };
        let mut numbers = HashMap::new();
        for (place, value) in values.iter().enumerate() {
            if let Some(number) = parse(value.as_bytes(), false) {
                let same = numbers.entry(number.to_bits());
                same.and_modify(|place| *place = None)
                    .or_insert(Some(place));
            }
        }
        Self {
            texts: values.iter().cloned().zip(0..).collect(),
            numbers,
        }
    }

    fn find(&self, text: &str) -> Option<usize> {
        let number = || {
            let number = parse(text.as_bytes(), false)?;
            self.numbers.get(&number.to_bits()).copied().flatten()
        };
        self.texts.get(text).copied().or_else(number)
    }
}

impl FeatureColumn {
    pub(super) fn new(name: &str, is_categorical: bool) -> Self {
        Self {
            name: name.into(),
            state: match is_categorical {
                true => State::Texts(Dictionary::default()),
                false => State::Undecided,
            },
            unknown: 0,
        }
    }

    /// The column of a model.
    pub(super) fn of_model(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            state: State::Fixed(column.kind.clone(), Places::of(&column.kind)),
            unknown: 0,
        }
    }

    /// Decides what the column is by its first cell with a value.
    pub(super) fn decide(&mut self, cell: Cell<'_>) {
        if !matches!(self.state, State::Undecided) {
            return;
        }
        let is_number = match cell {
            Cell::Missing => return,
            Cell::Number(number) if number.is_nan() => return,
            Cell::Field { text, .. } if is_missing(text) => return,
            Cell::Number(_) => true,
            Cell::Text(_) => false,
            Cell::Field {
                text,
                decimal_comma,
            } => parse(text, decimal_comma).is_some(),
        };
        self.state = match is_number {
            true => State::Numbers {
                are_bits: true,
                seen: [false; 2],
            },
            false => State::Texts(Dictionary::default()),
        };
    }

    pub(super) fn is_undecided(&self) -> bool {
        matches!(self.state, State::Undecided)
    }

    /// Whether cells can be read without changing the column.
    pub(super) fn is_numeric(&self) -> bool {
        matches!(
            self.state,
            State::Undecided | State::Numbers { .. } | State::Fixed(ColumnKind::Numeric(_), _)
        )
    }

    /// The raw form of a cell of numbers.
    pub(super) fn number(&self, cell: Cell<'_>, row: u64) -> Result<f32, TableFault> {
        let number = match cell {
            Cell::Missing => return Ok(f32::NAN),
            Cell::Number(number) => number,
            Cell::Field { text, .. } if is_missing(text) => return Ok(f32::NAN),
            Cell::Field {
                text,
                decimal_comma,
            } => match parse(text, decimal_comma) {
                Some(number) => number,
                None => return Err(self.not_a_number(row, &String::from_utf8_lossy(text))),
            },
            Cell::Text(text) => return Err(self.not_a_number(row, text)),
        };
        let single = number as f32;
        match single.is_infinite() {
            true => Err(TableFault::NotFinite {
                place: self.place(row),
                found: number.to_string(),
            }),
            false => Ok(single),
        }
    }

    fn not_a_number(&self, row: u64, found: &str) -> TableFault {
        TableFault::NotANumber {
            place: self.place(row),
            found: found.into(),
        }
    }

    /// Takes note of a number.
    pub(super) fn note(&mut self, number: f32) {
        if let (false, State::Numbers { are_bits, seen }) = (number.is_nan(), &mut self.state) {
            *are_bits &= number == 0.0 || number == 1.0;
            seen[usize::from(number != 0.0)] = true;
        }
    }

    /// The raw form of a cell of text.
    pub(super) fn text(&mut self, cell: Cell<'_>, row: u64) -> Result<f32, TableFault> {
        let place = || Place {
            row,
            column: self.name.clone(),
        };
        let Some(text) = cell_text(cell, &place)? else {
            return Ok(f32::NAN);
        };
        let number = match &mut self.state {
            State::Texts(dictionary) => match dictionary.number(&text, MOST_VALUES) {
                Some(number) => number,
                None => {
                    return Err(TableFault::TooManyValues {
                        place: place(),
                        most: MOST_VALUES,
                    });
                }
            },
            State::Fixed(ColumnKind::YesNo { values }, places) => match places.find(&text) {
                Some(number) => number,
                // Another number is as strange as it is far away; a text can't be told from the two.
                None => match parse(text.as_bytes(), false).filter(|number| number.is_finite()) {
                    Some(number) if values == &["0", "1"] => return Ok(number as f32),
                    _ => {
                        return Err(TableFault::OtherValue {
                            place: place(),
                            values: values.join(" or "),
                            found: text,
                        });
                    }
                },
            },
            State::Fixed(ColumnKind::Categorical { values }, places) => {
                places.find(&text).unwrap_or_else(|| {
                    self.unknown += 1;
                    values.len()
                })
            }
            State::Undecided | State::Numbers { .. } | State::Fixed(ColumnKind::Numeric(_), _) => {
                unreachable!("`is_numeric` tells them apart")
            }
        };
        Ok(number as f32)
    }

    pub(super) fn place(&self, row: u64) -> Place {
        Place {
            row,
            column: self.name.clone(),
        }
    }

    /// What may surprise about the cells.
    pub(super) fn note_unknown(&self) -> Option<String> {
        (self.unknown > 0).then(|| {
            format!(
                "the column `{}`: {} cells have values that training did not have; they are taken as none of the others",
                self.name, self.unknown
            )
        })
    }

    /// The column once all cells are read.
    pub(super) fn finish(self) -> Column {
        let kind = match self.state {
            State::Fixed(kind, _) => kind,
            // A column of nothing but 0 may have any number in other files.
            State::Numbers {
                are_bits: true,
                seen: [true, true],
            } => ColumnKind::YesNo {
                values: ["0".into(), "1".into()],
            },
            State::Undecided | State::Numbers { .. } => ColumnKind::Numeric(Affine::IDENTITY),
            State::Texts(dictionary) => match <[String; 2]>::try_from(dictionary.into_texts()) {
                Ok(values) if are_opposites(&values) => ColumnKind::YesNo { values },
                Ok(values) => ColumnKind::Categorical {
                    values: values.into(),
                },
                Err(values) => ColumnKind::Categorical { values },
            },
        };
        Column {
            name: self.name,
            kind,
            fill: None,
            indicator: false,
        }
    }
}

/// The text of a cell; nothing where it is missing.
pub(super) fn cell_text(
    cell: Cell<'_>,
    place: &impl Fn() -> Place,
) -> Result<Option<String>, TableFault> {
    match cell {
        Cell::Missing => Ok(None),
        Cell::Number(number) => Ok((!number.is_nan()).then(|| number.to_string())),
        Cell::Text(text) => Ok(Some(text.to_owned())),
        Cell::Field { text, .. } if is_missing(text) => Ok(None),
        Cell::Field { text, .. } => match std::str::from_utf8(text) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(TableFault::Encoding {
                place: place(),
                found: String::from_utf8_lossy(text).into_owned(),
            }),
        },
    }
}

/// Whether two texts are no and yes, in either order.
fn are_opposites(texts: &[String; 2]) -> bool {
    let [first, second] = texts.each_ref().map(|text| text.to_lowercase());
    let is_pair =
        |no: &str, yes: &str| first == no && second == yes || first == yes && second == no;
    OPPOSITES.iter().any(|[no, yes]| is_pair(no, yes))
}

/// A number as text files have it, with a decimal point or, where that is allowed, a decimal comma.
pub(super) fn parse(field: &[u8], decimal_comma: bool) -> Option<f64> {
    let text = std::str::from_utf8(field).ok()?;
    // Rust reads `inf` and `infinity` too, which are refused as numbers that are not finite, and `nan`, which is missing.
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) if decimal_comma && !text.contains('.') => text.replacen(',', ".", 1).parse().ok(),
        Err(_) => None,
    }
}

/// The input of a table whose columns are not scaled yet.
pub(super) fn unscaled(columns: Vec<Column>, missing: Missing) -> Input {
    Input::Table {
        scaling: Scaling::None,
        missing,
        columns,
    }
}
