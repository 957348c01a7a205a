//! What holds for every measure of the registry and each of its numbers: they are named, explained and found in reports.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use burn::backend::NdArray;
use hourglass_data::{Dataset, Shape, Subset};
use hourglass_measure::{
    Evaluation, Measure, Measured, Quantity, Report, Request, Subject, examine, quantities,
};
use hourglass_models::{Classifier, ModelConfig};
use serde_json::Value;

type B = NdArray<f64>;

const SHAPE: Shape = Shape::new(1, 11, 11);
const CLASSES: usize = 2;

/// The settings of models that together have every number.
const MODELS: [&str; 4] = [
    r#"{"family": "variational", "network": {"kind": "mlp", "hidden": [], "code": 3}}"#,
    r#"{"family": "sparse", "network": {"kind": "mlp", "hidden": [], "code": 3, "code_activation": "sigmoid"},
        "objective": {"penalty": "kl"}}"#,
    r#"{"family": "denoising", "network": {"kind": "mlp", "hidden": [], "code": 3}}"#,
    r#"{"family": "contractive", "network": {"kind": "mlp", "hidden": [], "code": 3, "code_activation": "sigmoid"}}"#,
];

/// Labelled images without structure; no two of different seeds are alike.
fn images(name: &str, seed: usize) -> Subset {
    let pixel = |i: usize| ((i * i * 37 + i * 101 * seed + 13 * seed) % 251) as u8;
    let count = 24;
    let pixels = (0..count * SHAPE.features()).map(pixel).collect();
    let labels = (0..count).map(|image| (image % CLASSES) as u8).collect();
    let dataset = Dataset::from_memory(name, SHAPE, pixels, Some(labels)).expect("images");
    Subset::all(&Arc::new(dataset))
}

/// All that can be measured of a model that was not trained.
fn report(config: &str) -> Report {
    let device = Default::default();
    let config: ModelConfig = serde_json::from_str(config).expect("settings");
    let model = config.init::<B>(SHAPE, 0, &device).expect("a model");
    let classifier = Classifier::new(model.clone(), [config.code(), CLASSES], 0, &device);
    let [split, training, others] =
        [("split", 1), ("training", 2), ("others", 3)].map(|(name, seed)| images(name, seed));
    let subject = Subject {
        model: &model,
        classifier: Some(&classifier),
        split: &split,
        training: Ok(&training),
        device: &device,
    };
    let request = Request {
        samples: NonZeroUsize::MIN,
        estimates: None,
        labelled: &training,
        jacobian_images: 4,
        outliers: Ok(&others),
        cache: None,
    };
    examine(subject, Measure::ALL, &request, &mut |_, _, _| {}).expect("numbers")
}

#[test]
fn every_measure_is_named_and_said_in_a_line() {
    let names: BTreeSet<&str> = Measure::ALL.iter().map(|measure| measure.name()).collect();
    assert_eq!(names.len(), Measure::ALL.len(), "{names:?}");
    for &measure in Measure::ALL {
        assert_eq!(Measure::named(measure.name()), Some(measure));
        let summary = measure.summary();
        assert!(
            summary.starts_with(char::is_uppercase) && !summary.ends_with('.'),
            "{measure:?}: {summary}"
        );
        assert!(summary.len() <= 100, "{measure:?}: {summary}");
    }
    assert_eq!(Measure::named("nothing"), None);
}

#[test]
fn every_number_says_what_it_is_and_belongs_to_its_measure() {
    for quantity in quantities() {
        let name = quantity.name();
        assert!(
            !name.is_empty() && !quantity.title.is_empty(),
            "{quantity:?}"
        );
        assert_eq!(quantity.unit == "%", quantity.factor == 100.0, "{name}");
        assert!(quantity.decimals <= 6, "{name}");
        let is_shown = quantity.shown.on_page || quantity.shown.on_card;
        assert!(is_shown || !quantity.is_headline, "{name}");
    }
    for &measure in Measure::ALL {
        let all = measure.quantities();
        assert!(all.iter().all(|quantity| quantity.part() == measure.name()));
        let names: BTreeSet<&str> = all.iter().map(Quantity::name).collect();
        assert_eq!(names.len(), all.len(), "{measure:?}: {names:?}");
    }
    // A page and a card have one row of a name.
    for is_shown in [
        (|quantity| quantity.shown.on_page) as fn(&Quantity) -> bool,
        |quantity| quantity.shown.on_card,
    ] {
        let titles: Vec<&str> = quantities()
            .filter(|quantity| is_shown(quantity))
            .map(|quantity| quantity.title)
            .collect();
        let distinct: BTreeSet<&&str> = titles.iter().collect();
        assert_eq!(distinct.len(), titles.len(), "{titles:?}");
    }
}

#[test]
fn every_number_is_found_in_a_report_with_those_beside_it() {
    let reports = MODELS.map(|config| Value::Object(report(config).to_json()));
    for &measure in Measure::ALL {
        let is_measured = |report: &Value| {
            measure.left_out(report).is_none() && !report[measure.name()].is_null()
        };
        assert!(
            reports.iter().any(is_measured),
            "{measure:?} is left out of all"
        );
    }
    for quantity in quantities() {
        // Each of the places has a number in one of the reports.
        for places in [quantity.places, quantity.pca, quantity.pixels] {
            for place in places {
                let alone: &'static [&'static str] = std::slice::from_ref(place);
                let here = Quantity {
                    places: alone,
                    pca: &[],
                    pixels: &[],
                    ..*quantity
                };
                let is_found = |report| {
                    let number = here.in_report(report);
                    number.is_some_and(|number| number.model.value().is_some())
                };
                assert!(reports.iter().any(is_found), "nothing is at {place}");
            }
        }
        if let Some(error) = quantity.error {
            let has_error = |report| {
                let number = quantity.in_report(report);
                let found = number.and_then(|number| number.model.value().copied());
                found.is_some_and(|estimate| estimate.standard_error.is_some())
            };
            assert!(reports.iter().any(has_error), "no error is at {error}");
        }
    }
}

#[test]
fn a_report_that_was_written_and_read_has_the_same_numbers() {
    for config in MODELS {
        let report = report(config);
        let text = Value::Object(report.to_json()).to_string();
        let read: Value = serde_json::from_str(&text).expect("JSON");
        let terms = report.evaluation.terms.iter().map(|(name, _)| name);
        let terms: BTreeSet<&String> = terms.collect();
        for number in report.numbers() {
            if terms.contains(&number.title) {
                continue;
            }
            let again = number.quantity.in_report(&read).expect("a number");
            assert_eq!(again.title, number.title);
            let text = |found: &Measured<_>| found.value().map(|found| number.text(found));
            assert_eq!(text(&again.model), text(&number.model), "{}", number.title);
        }
    }
}

/// The text under a heading of the second level.
fn section<'a>(page: &'a str, title: &str) -> Option<&'a str> {
    let mut sections = page.split("\n## ").skip(1);
    sections.find_map(|section| {
        let (heading, text) = section.split_once('\n')?;
        let is_of = heading.to_lowercase() == title;
        is_of.then_some(text.trim()).filter(|text| !text.is_empty())
    })
}

/// What `docs/measures.md` does not explain: a measure has a section of its name, in which each of its numbers has its name
/// in JSON; what every evaluation has is explained anywhere.
fn unexplained(page: &str) -> Vec<String> {
    let is_in = |text: &str, quantity: &Quantity| text.contains(&format!("`{}`", quantity.name()));
    let every = [Evaluation::FIRST_QUANTITIES, Evaluation::LAST_QUANTITIES].concat();
    let mut missing = Vec::new();
    for quantity in every.iter().filter(|quantity| !is_in(page, quantity)) {
        missing.push(format!("`{}`", quantity.name()));
    }
    for measure in Measure::ALL {
        let Some(text) = section(page, measure.name()) else {
            missing.push(format!("a section {}", measure.name()));
            continue;
        };
        let is_elsewhere =
            |quantity: &Quantity| every.iter().any(|one| one.name() == quantity.name());
        let quantities = measure.quantities().iter();
        let quantities =
            quantities.filter(|quantity| !is_in(text, quantity) && !is_elsewhere(quantity));
        missing.extend(
            quantities.map(|quantity| format!("`{}` in {}", quantity.name(), measure.name())),
        );
    }
    missing
}

#[test]
fn every_measure_and_every_number_is_explained() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/measures.md");
    let page = fs::read_to_string(page).expect("the page");
    let missing = unexplained(&page);
    assert!(
        missing.is_empty(),
        "docs/measures.md lacks {}",
        missing.join(", ")
    );
    // And what is not there is missed.
    let renamed = page.replace("\n## Robustness\n", "\n## Strength\n");
    assert_eq!(unexplained(&renamed), ["a section robustness"]);
    let shortened = page.replace("`psnr_decibels`", "");
    assert_eq!(
        unexplained(&shortened),
        ["`psnr_decibels` in reconstruction"]
    );
}
