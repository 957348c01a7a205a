//! The settings of a recipe before they are read: a table, and where each key of it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::error::{RecipeError, SettingOrigin};

/// Keys whose values decide which other keys there are, those that decide most first.
pub(super) const KINDS: [&str; 4] = [
    "family",
    "network.kind",
    "objective.penalty",
    "pretraining.layers.method",
];

/// Keys whose values are a name, or a table of one name with its settings.
pub(super) const CHOICES: [&str; 2] = ["likelihood", "schedule"];

/// Where each setting of a recipe was made, by its key.
#[derive(Debug, Clone, Default)]
pub(super) struct Origins(BTreeMap<String, SettingOrigin>);

/// Recipes with the same settings are the same, wherever these were made.
impl PartialEq for Origins {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Origins {
    fn of_file(text: &str, path: &Path) -> Result<Self, toml::de::Error> {
        let mut origins = Self::default();
        let document = DeTable::parse(text)?;
        origins.note_lines("", document.get_ref(), &|offset| {
            let line = text[..offset].matches('\n').count() + 1;
            SettingOrigin::Line(path.to_owned(), line)
        });
        Ok(origins)
    }

    fn note_lines(&mut self, path: &str, table: &DeTable<'_>, at: &dyn Fn(usize) -> SettingOrigin) {
        for (key, value) in table {
            let path = joined(path, key.get_ref());
            self.0.insert(path.clone(), at(key.span().start));
            if let Some(table) = value.get_ref().as_table() {
                self.note_lines(&path, table, at);
            }
        }
    }

    /// Notes that a key and everything below it was set by an option of the command line.
    pub(super) fn note(&mut self, key: &str, value: Option<&Value>, option: &str) {
        self.0.insert(
            key.to_owned(),
            SettingOrigin::CommandLine(option.to_owned()),
        );
        for (name, value) in value.and_then(Value::as_table).into_iter().flatten() {
            self.note(&joined(key, name), Some(value), option);
        }
    }

    fn forget(&mut self, key: &str) {
        self.0.retain(|other, _| !is_within(other, key));
    }

    /// Where a key was set. If the command line sets it, or a part of it, that takes precedence over a file.
    pub(super) fn of(&self, key: &str) -> Option<&SettingOrigin> {
        let mut within = self.0.iter().filter(|(other, _)| is_within(other, key));
        let by_command_line =
            within.find(|(_, origin)| matches!(origin, SettingOrigin::CommandLine(_)));
        by_command_line.map_or_else(|| self.0.get(key), |(_, origin)| Some(origin))
    }
}

fn joined(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

pub(super) fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The value of a key.
pub(super) fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((first, rest)) => get(table.get(first)?.as_table()?, rest),
    }
}

/// Takes a key out.
pub(super) fn remove(table: &mut Table, key: &str) -> Option<Value> {
    match key.split_once('.') {
        None => table.remove(key),
        Some((first, rest)) => remove(table.get_mut(first)?.as_table_mut()?, rest),
    }
}

/// The settings of a file, with those of the command line.
#[derive(Debug)]
pub(super) struct Settings {
    path: PathBuf,
    pub(super) table: Table,
    pub(super) origins: Origins,
}

impl Settings {
    pub(super) fn read(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let parse_error = |error: toml::de::Error| RecipeError::Parse {
            path: path.to_owned(),
            message: error.to_string().trim().to_owned(),
        };
        Ok(Self {
            path: path.to_owned(),
            table: text.parse().map_err(parse_error)?,
            origins: Origins::of_file(text, path).map_err(parse_error)?,
        })
    }

    /// Where a key was set, or the file in which it is missing.
    pub(super) fn origin(&self, key: &str) -> SettingOrigin {
        let origin = self.origins.of(key).cloned();
        origin.unwrap_or_else(|| SettingOrigin::File(self.path.clone()))
    }

    /// Sets each `key.path=value`: kinds first, since another kind has other keys.
    pub(super) fn set_all(&mut self, overrides: &[String]) -> Result<(), RecipeError> {
        let mut overrides: Vec<&String> = overrides.iter().collect();
        overrides.sort_by_key(|given| {
            let key = given.split('=').next().map(str::trim);
            let place = KINDS.iter().position(|&kind| Some(kind) == key);
            place.unwrap_or(KINDS.len())
        });
        overrides.into_iter().try_for_each(|given| self.set(given))
    }

    fn set(&mut self, given: &str) -> Result<(), RecipeError> {
        let error = |detail: &str| RecipeError::Override {
            given: given.to_owned(),
            detail: detail.to_owned(),
        };
        let (path, text) = given.split_once('=').ok_or_else(|| error(""))?;
        let keys: Vec<&str> = path.split('.').map(str::trim).collect();
        if keys.iter().any(|key| key.is_empty()) {
            return Err(error(" (a key is empty)"));
        }
        let key = keys.join(".");
        if text.trim().is_empty() {
            return self.unset(&key);
        }
        let value = parse_value(text);
        if KINDS.contains(&key.as_str()) {
            self.change_kind(&key, &value);
        }
        self.origins.forget(&key);
        self.origins
            .note(&key, Some(&value), &format!("--set {given}"));
        put(&mut self.table, &keys, value);
        Ok(())
    }

    fn unset(&mut self, key: &str) -> Result<(), RecipeError> {
        if remove(&mut self.table, key).is_some() {
            self.origins.forget(key);
            return Ok(());
        }
        let mut known = &self.table;
        for name in key.split('.') {
            let Some(Value::Table(inner)) = known.get(name) else {
                break;
            };
            known = inner;
        }
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        Err(RecipeError::Unset {
            key: key.to_owned(),
            known: known.join(", "),
        })
    }

    /// Drops the settings of a kind that is replaced by another, which begins with its defaults.
    fn change_kind(&mut self, key: &str, value: &Value) {
        let current = get(&self.table, key);
        if current.is_none() || current == Some(value) {
            return;
        }
        // A family's own settings are those of its objective; networks are the same for all.
        let dropped = key.rsplit_once('.').map_or("objective", |(table, _)| table);
        remove(&mut self.table, dropped);
        self.origins.forget(dropped);
    }
}

/// A value in TOML's syntax; anything else is taken for a string.
fn parse_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    let value =
        parsed.and_then(|mut parsed| (parsed.len() == 1).then(|| parsed.remove("value"))?);
    value.unwrap_or_else(|| Value::String(text.trim().to_owned()))
}

/// Puts a value into a table of tables; missing tables are created.
fn put(table: &mut Table, keys: &[&str], value: Value) {
    let [key, inner @ ..] = keys else { return };
    let Some(next) = inner.first() else {
        table.insert((*key).to_owned(), value);
        return;
    };
    let entry = table.entry(*key).or_insert(Value::Boolean(false));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    if let Value::Table(table) = entry {
        if CHOICES.contains(key) {
            table.retain(|other, _| other == *next);
        }
        put(table, inner, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"sparse\"\n[network]\nkind = \"mlp\"\nhidden = [5]\n\n[training]\nsteps = 3\n\
                        schedule = { step = { every = 2, factor = 0.5 } }\n";

    fn settings(overrides: &[&str]) -> Result<Settings, RecipeError> {
        let mut settings = Settings::read(TEXT, Path::new("a.toml"))?;
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        settings.set_all(&overrides)?;
        Ok(settings)
    }

    fn origin(settings: &Settings, key: &str) -> Option<String> {
        settings.origins.of(key).map(ToString::to_string)
    }

    #[test]
    fn lines_and_options_are_remembered() {
        let settings = settings(&["network.hidden=[7]", "data={limit=3}"]).expect("settings");
        for (key, expected) in [
            ("family", Some("a.toml, line 1")),
            ("network.kind", Some("a.toml, line 3")),
            ("network.hidden", Some("--set network.hidden=[7]")),
            ("network", Some("--set network.hidden=[7]")),
            ("training", Some("a.toml, line 6")),
            ("training.schedule.step.every", Some("a.toml, line 8")),
            ("data.limit", Some("--set data={limit=3}")),
            ("network.code", None),
        ] {
            assert_eq!(origin(&settings, key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn another_kind_begins_with_its_defaults_in_any_order() {
        for overrides in [
            ["network.kind=conv", "network.code=9"],
            ["network.code=9", "network.kind=conv"],
        ] {
            let settings = settings(&overrides).expect("settings");
            let network = settings.table["network"].as_table().expect("a table");
            let keys: Vec<&String> = network.keys().collect();
            assert_eq!(keys, ["code", "kind"]);
            assert_eq!(origin(&settings, "network.hidden"), None);
        }
        let same = settings(&["network.kind=mlp"]).expect("settings");
        assert!(get(&same.table, "network.hidden").is_some());
    }

    #[test]
    fn keys_and_sections_are_unset() {
        let unset = settings(&["training.steps=", "network="]).expect("settings");
        assert!(get(&unset.table, "training.steps").is_none());
        assert!(get(&unset.table, "network").is_none());
        assert_eq!(origin(&unset, "training.steps"), None);
        let error = settings(&["training.stepps= "]).expect_err("no such key");
        let expected =
            "--set training.stepps=: expected a key that the recipe sets (schedule, steps)";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn a_part_of_another_choice_replaces_it() {
        let settings = settings(&["training.schedule.one-cycle.warmup=0.1"]).expect("settings");
        let schedule = settings.table["training"]["schedule"].as_table();
        let names: Vec<&String> = schedule.expect("a table").keys().collect();
        assert_eq!(names, ["one-cycle"]);
    }
}
