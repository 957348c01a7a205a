//! Explains why settings can't be read as a recipe: which key is wrong, what is expected there, and what was found.

use hourglass_models::{Likelihood, ModelConfig, NetworkConfig};
use toml::{Table, Value};

use super::error::RecipeError;
use super::run::RunConfig;
use super::settings::{CHOICES, KINDS, Settings, get, is_within, remove};

/// Keys of a recipe that are not the model's.
const OTHER_KEYS: [&str; 5] = ["family", "data", "training", "pretraining", "classifier"];

/// Keys whose values have a form that a type's name does not show, and values of each in TOML.
const FORMS: [(&[&str], &[&str]); 9] = [
    (&["data.labels"], &["[3]", r#"["cat"]"#]),
    (&["data.shape"], &["[3, 32, 32]"]),
    (&["network"], NetworkConfig::EXAMPLES),
    (&["network.kind"], NetworkConfig::KINDS),
    (&["objective.likelihood"], Likelihood::EXAMPLES),
    (
        &["objective.penalty"],
        &[r#""l1""#, r#""kl""#, r#""top-k""#],
    ),
    (
        &["pretraining.layers"],
        &[
            r#"{ method = "autoencoder" }"#,
            r#"{ method = "denoising", level = 0.3 }"#,
            r#"{ method = "rbm" }"#,
        ],
    ),
    (
        &[
            "training.schedule",
            "classifier.schedule",
            "pretraining.training.schedule",
        ],
        &[
            r#""constant""#,
            r#""cosine""#,
            "{ one-cycle = { warmup = 0.1 } }",
            "{ step = { every = 1000, factor = 0.5 } }",
        ],
    ),
    (
        &[
            "training.early_stopping",
            "classifier.early_stopping",
            "pretraining.training.early_stopping",
        ],
        &[r#"{ term = "loss", patience = 5 }"#],
    ),
];

/// The error of settings that can't be read, for which `reads` gave `complaint`.
pub(super) fn explain(
    settings: &Settings,
    complaint: &str,
    reads: &dyn Fn(Table) -> Result<(), String>,
) -> Option<RecipeError> {
    let table = &settings.table;
    let key = match quoted(complaint, "missing field ") {
        Some(name) => missing_key(table, name, complaint, reads)?,
        None => wrong_key(table, complaint, reads)?,
    };
    Some(RecipeError::Setting {
        origin: Some(settings.origin(&key)),
        message: message(table, &key, complaint),
        key,
    })
}

/// Checks the family by its name, before its settings are looked at.
pub(super) fn check_family(settings: &Settings) -> Result<(), RecipeError> {
    let found = match settings.table.get("family") {
        Some(Value::String(family)) if ModelConfig::FAMILIES.contains(&family.as_str()) => {
            return Ok(());
        }
        Some(Value::String(family)) => family.clone(),
        Some(other) => other.to_string(),
        None => "none".to_owned(),
    };
    let families = ModelConfig::FAMILIES.join(", ");
    Err(RecipeError::Setting {
        key: "family".into(),
        origin: Some(settings.origin("family")),
        message: format!("expected one of {families}, found {found}"),
    })
}

/// The key without which there is no such complaint.
///
/// Serde names no keys within the enums of a recipe, so they are taken away one after the other, the innermost first,
/// until it complains no more, or of something else. A key that can't be missing is put back.
fn wrong_key(
    table: &Table,
    complaint: &str,
    reads: &dyn Fn(Table) -> Result<(), String>,
) -> Option<String> {
    let mut rest = table.clone();
    let mut needed: Vec<String> = Vec::new();
    let mut outermost = None;
    for key in keys(table) {
        let before = rest.clone();
        remove(&mut rest, &key);
        match reads(rest.clone()) {
            Err(same) if same == complaint => {}
            Err(other) if quoted(&other, "missing field ") == key.rsplit('.').next() => {
                rest = before;
                needed.push(key);
            }
            _ => {
                outermost = Some(key);
                break;
            }
        }
    }
    // It may be the value of one that can't be missing, which the complaint quotes.
    let is_quoted = |key: &&String| match get(table, key) {
        Some(Value::Table(_)) | None => false,
        Some(Value::String(text)) => complaint.contains(text.as_str()),
        Some(value) => complaint.contains(&value.to_string()),
    };
    let is_inside = |key: &&String| {
        let outer = outermost.as_deref();
        outer.is_none_or(|outer| is_within(key, outer))
    };
    let found = needed.iter().filter(is_inside).find(is_quoted).cloned();
    found.or(outermost)
}

/// The key of this name that is missing: with it the complaint would be another.
fn missing_key(
    table: &Table,
    name: &str,
    complaint: &str,
    reads: &dyn Fn(Table) -> Result<(), String>,
) -> Option<String> {
    let tables = keys(table).into_iter().map(Some).chain([None]);
    for outer in tables {
        let mut with = table.clone();
        let inner = match &outer {
            Some(key) => key.split('.').try_fold(&mut with, |table, name| {
                table.get_mut(name).and_then(Value::as_table_mut)
            }),
            None => Some(&mut with),
        };
        // The settings of a choice stand one table deeper, below its name.
        let inner = match outer.as_deref().is_some_and(is_choice) {
            true => inner.and_then(|choice| choice.iter_mut().next()?.1.as_table_mut()),
            false => inner,
        };
        let Some(inner) = inner.filter(|inner| !inner.contains_key(name)) else {
            continue;
        };
        inner.insert(name.to_owned(), Value::String(String::new()));
        match reads(with) {
            Err(other) if other == complaint => {}
            Err(other) if quoted(&other, "unknown field ") == Some(name) => {}
            _ => {
                return Some(match outer {
                    Some(outer) if is_choice(&outer) => outer,
                    Some(outer) => format!("{outer}.{name}"),
                    None => name.to_owned(),
                });
            }
        }
    }
    None
}

/// All keys of a table, the innermost first. A choice with its settings is one value.
fn keys(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in table {
        if let (Value::Table(inner), false) = (value, CHOICES.contains(&name.as_str())) {
            let inner = keys(inner).into_iter();
            found.extend(inner.map(|key| format!("{name}.{key}")));
        }
        found.push(name.clone());
    }
    found
}

/// Whether a key is a choice with settings, which are shown as a whole.
fn is_choice(key: &str) -> bool {
    CHOICES.iter().any(|choice| key.ends_with(choice))
}

/// What stands in backticks after a start.
fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.split('`').nth(1)
}

/// What was expected and what was found.
fn message(table: &Table, key: &str, complaint: &str) -> String {
    let (outer, name) = key.rsplit_once('.').unwrap_or(("", key));
    let value = get(table, key);
    let found = value.map_or("none".to_owned(), ToString::to_string);
    if quoted(complaint, "unknown field ") == Some(name) {
        let known = known_keys(table, outer, complaint).join(", ");
        return format!("unknown key, expected one of {known}");
    }
    let forms = FORMS.iter().find(|(keys, _)| keys.contains(&key));
    if let Some((_, forms)) = forms {
        return format!("expected {}, found {found}", alternatives(forms));
    }
    if quoted(complaint, "missing field ").is_some() {
        return "expected a value, found none".to_owned();
    }
    let Some((_, expected)) = complaint.split_once(", expected ") else {
        return format!("{complaint}, found {found}");
    };
    let expected = match expected {
        "u8" | "u64" | "usize" => "a whole number, at least 0",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "path string" => "a path",
        _ if expected.starts_with("struct ") => "a table of settings",
        other => other,
    };
    format!("expected {expected}, found {found}")
}

/// The keys that may stand in a table, which serde has listed, and those that are taken out before it sees the table.
fn known_keys(table: &Table, outer: &str, complaint: &str) -> Vec<String> {
    let listed = complaint.split('`').skip(3).step_by(2);
    let mut known: Vec<String> = listed.map(str::to_owned).collect();
    let more: &[&str] = match outer {
        "" => &OTHER_KEYS,
        "training" => &RunConfig::KEYS,
        _ => &[],
    };
    known.extend(more.iter().map(ToString::to_string));
    let kinds = KINDS.iter().filter_map(|kind| kind.rsplit_once('.'));
    let of_this = kinds.filter(|(within, _)| *within == outer);
    for (_, kind) in of_this {
        if get(table, &format!("{outer}.{kind}")).is_some() {
            known.insert(0, kind.to_owned());
        }
    }
    known
}

fn alternatives(forms: &[&str]) -> String {
    match forms {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Recipe;
    use super::*;

    const TEXT: &str = "family = \"sparse\"\n\n[network]\nkind = \"mlp\"\n\n[objective]\npenalty = \"l1\"\n\n\
                        [training]\nsteps = 10\nschedule = { step = { every = 2, factor = 0.5 } }\n";

    fn error(text: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let error = Recipe::parse(text, Path::new("a.toml"), &overrides);
        error.expect_err("no recipe").to_string()
    }

    /// Each form that a message shows can be read.
    #[test]
    fn forms_are_right() {
        for (keys, forms) in FORMS {
            for (key, form) in keys
                .iter()
                .flat_map(|key| forms.iter().map(move |form| (key, form)))
            {
                let mut overrides = vec![format!("{key}={form}")];
                if key.starts_with("pretraining.layers") {
                    overrides.push("pretraining.training.steps=1".into());
                } else if key.starts_with("pretraining") {
                    overrides.push("pretraining.layers.method=rbm".into());
                }
                Recipe::parse(TEXT, Path::new("a.toml"), &overrides)
                    .unwrap_or_else(|error| panic!("{key}={form}: {error}"));
            }
        }
    }

    #[test]
    fn every_error_names_its_key_and_its_place() {
        for (given, expected) in [
            (
                "network.hidden=[-1]",
                "expected a whole number, at least 0, found [-1]",
            ),
            (
                "network.code=many",
                "expected a whole number, at least 0, found \"many\"",
            ),
            (
                "network.kind=magic",
                "expected \"mlp\" or \"conv\", found \"magic\"",
            ),
            (
                "network.depth=3",
                "unknown key, expected one of kind, hidden, code",
            ),
            (
                "objective.penalty=l2",
                "expected \"l1\", \"kl\" or \"top-k\", found \"l2\"",
            ),
            (
                "objective.k=3",
                "unknown key, expected one of penalty, weight, likelihood",
            ),
            (
                "objective.likelihood=gaussian",
                "{ huber = { delta = 0.1 } }, found \"gaussian\"",
            ),
            (
                "training.optimizer=adagrad",
                "expected one of `adam`, `adamw`, `sgd`, found \"adagrad\"",
            ),
            (
                "training.schedule=step",
                "{ step = { every = 1000, factor = 0.5 } }, found \"step\"",
            ),
            (
                "training.seed=x",
                "expected a whole number, at least 0, found \"x\"",
            ),
            (
                "training.early_stopping=true",
                "expected { term = \"loss\", patience = 5 }, found true",
            ),
            ("data.strict=1", "expected true or false, found 1"),
            (
                "data.labels=cat",
                "expected [3] or [\"cat\"], found \"cat\"",
            ),
            (
                "extra=1",
                "unknown key, expected one of network, objective, family, data, training",
            ),
        ] {
            let key = given.split('=').next().expect("a key");
            let found = error(TEXT, &[given]);
            let start = format!("`{key}` (--set {given}): ");
            assert!(
                found.starts_with(&start) && found.contains(expected),
                "{found}"
            );
        }
        let all = "steps, epochs, batch_size, optimizer, momentum, learning_rate, schedule, weight_decay, clip, \
                   early_stopping, seed, checkpoint_steps, checkpoint_seconds, from";
        let found = error(TEXT, &["training.foo=1"]);
        assert!(
            found.ends_with(&format!("unknown key, expected one of {all}")),
            "{found}"
        );
    }

    #[test]
    fn lines_of_files_are_named() {
        for (from, to, expected) in [
            (
                "steps = 10",
                "steps = true",
                "`training.steps` (a.toml, line 10): ",
            ),
            ("\"l1\"", "\"l3\"", "`objective.penalty` (a.toml, line 7): "),
            (
                "kind = \"mlp\"",
                "kind = \"mlp\"\ncode = \"x\"",
                "`network.code` (a.toml, line 5): ",
            ),
            (
                "every = 2, ",
                "",
                "`training.schedule` (a.toml, line 11): expected \"constant\"",
            ),
            (
                "every = 2",
                "every = 2.5",
                "`training.schedule` (a.toml, line 11): ",
            ),
            (
                "[network]\nkind = \"mlp\"",
                "",
                "`network` (a.toml): expected { kind = \"mlp\"",
            ),
            (
                "kind = \"mlp\"",
                "",
                "`network.kind` (a.toml): expected \"mlp\" or \"conv\", found none",
            ),
        ] {
            let found = error(&TEXT.replace(from, to), &[]);
            assert!(found.starts_with(expected), "{to}: {found}");
        }
    }

    #[test]
    fn the_first_of_two_mistakes_is_explained() {
        for overrides in [
            ["network.code=x", "network.hidden=[-1]"],
            ["network.code=x", "training.steps=x"],
            ["network.kind=magic", "pretraining.layers.level=2"],
        ] {
            let found = error(TEXT, &overrides);
            let named = overrides.iter().any(|given| {
                let key = given.split('=').next().expect("a key");
                found.starts_with(&format!("`{key}` (--set {given}): expected"))
            });
            let missing = found.starts_with("`pretraining.");
            assert!(named || missing, "{found}");
        }
    }
}
