//! Opening images, with progress and a report on stderr.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hourglass_data::{DataError, ImageOptions, ImageReport, Locations, Split, Splits, Subset};
use hourglass_store::Description;
use hourglass_train::Recipe;

use crate::arguments::{ImageArguments, LocationArguments};
use crate::progress::Stages;

/// How many reasons for leaving files out are told, and of each how many names.
const REASONS: usize = 8;
const NAMES: usize = 3;

/// The images that a trained model is used on.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArguments {
    /// A folder of PNG and JPEG images, one image, a .npy file, a directory of IDX files, or a name from the catalog
    /// [default: the data that the model was trained on]
    #[arg(value_name = "IMAGES")]
    pub(crate) images: Option<String>,
    /// The same as IMAGES
    #[arg(long, conflicts_with = "images")]
    pub(crate) data: Option<String>,
    /// The split to use, train or test [default: test if there is one, or else all images]
    #[arg(long)]
    pub(crate) split: Option<Split>,
    #[command(flatten)]
    pub(crate) how: ImageArguments,
    #[command(flatten)]
    pub(crate) locations: LocationArguments,
}

impl SourceArguments {
    /// The images asked for, in the model's shape.
    pub(crate) fn open(&self, description: &Description) -> Result<Subset> {
        let name = self.images.as_deref().or(self.data.as_deref());
        let locations = self.locations.locations();
        model_images(description, name, self.split, &locations, self.how)
    }
}

/// The images that a model is used on, in its shape: of `data`, or of what it was trained on. Without a split they are the
/// test images where there are some, else all.
pub(crate) fn model_images(
    description: &Description,
    data: Option<&str>,
    split: Option<Split>,
    locations: &Locations,
    how: ImageArguments,
) -> Result<Subset> {
    let name = data.unwrap_or(&description.data.name);
    let splits = open(name, locations, &how.options(Some(description.shape)));
    let splits = match data {
        Some(_) => splits?,
        None => splits.context(
            "the images that the model was trained on can't be opened; name others, a folder of images or mnist-mini",
        )?,
    };
    Ok(Subset::all(match split {
        Some(Split::Test) => splits.test()?,
        Some(Split::Train) => splits.train(),
        None if splits.has_test() => splits.test()?,
        None => splits.train(),
        Some(Split::Validation) => bail!(
            "--split validation: expected train or test; which images are held out is a choice of the training, whose own `hourglass evaluate` measures"
        ),
    }))
}

/// One image in the model's shape, values in [0, 1]: an image file, or `test:17` or `train:17` of `data`.
pub(crate) fn one_image(
    description: &Description,
    image: &str,
    data: Option<&str>,
    locations: &Locations,
    how: ImageArguments,
) -> Result<Vec<f32>> {
    let numbered = image.split_once(':').and_then(|(split, number)| {
        let split = split.parse().ok()?;
        Some((split, number.parse::<usize>().ok()?))
    });
    let (images, number) = match numbered {
        Some((split, number)) if !Path::new(image).exists() => {
            let images = model_images(description, data, Some(split), locations, how)?;
            (images, number)
        }
        _ if Path::new(image).is_file() => (
            model_images(description, Some(image), None, locations, how)?,
            0,
        ),
        _ => bail!(
            "{image}: expected an image file, or test:NUMBER or train:NUMBER of a data set, found neither"
        ),
    };
    let Some(&index) = images.indices().get(number) else {
        bail!(
            "{image}: expected a number below {}, the number of images",
            images.len()
        );
    };
    Ok(images.dataset().pixels(index as usize).collect())
}

/// Opens a data set, showing how far it is and then what was left out.
pub(crate) fn open(
    name: &str,
    locations: &Locations,
    options: &ImageOptions,
) -> Result<Splits, DataError> {
    let mut stages = Stages::new();
    let mut scanned = false;
    let splits = hourglass_data::open_with(name, locations, options, &mut |done, total| {
        scanned = true;
        stages.update("reading images", done, total);
    });
    stages.finish();
    let splits = splits?;
    for line in report_lines(name, splits.report(), scanned) {
        note!("{line}");
    }
    Ok(splits)
}

/// What a report says, one line for each thing. It says where the images are kept when they have just been read.
fn report_lines(name: &str, report: &ImageReport, scanned: bool) -> Vec<String> {
    let mut lines: Vec<String> = report
        .notes
        .iter()
        .map(|note| format!("{name}: {note}"))
        .collect();
    if report.ignored > 0 {
        lines.push(format!(
            "{name}: passed over {} of other kinds",
            files(report.ignored)
        ));
    }
    lines.extend(skipped_lines(name, report));
    match &report.cache {
        Some(cache) if scanned => lines.push(format!(
            "{name}: the images as they were read are kept in {}, which may be deleted",
            cache.display()
        )),
        _ => {}
    }
    lines
}

/// The files that were left out, by reason, the commonest first.
fn skipped_lines(name: &str, report: &ImageReport) -> Vec<String> {
    if report.skipped.is_empty() {
        return Vec::new();
    }
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in &report.skipped {
        by_reason.entry(&file.reason).or_default().push(&file.path);
    }
    let mut by_reason: Vec<_> = by_reason.into_iter().collect();
    by_reason.sort_by_key(|(_, paths)| std::cmp::Reverse(paths.len()));
    let mut lines = vec![format!("{name}: skipped {}", files(report.skipped.len()))];
    for (reason, paths) in by_reason.iter().take(REASONS) {
        let more = match paths.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let names = paths[..paths.len().min(NAMES)].join(", ");
        lines.push(format!("  {names}{more}: {reason}"));
    }
    let rest = by_reason
        .iter()
        .skip(REASONS)
        .map(|(_, paths)| paths.len())
        .sum();
    if rest > 0 {
        lines.push(format!("  {} for other reasons", files(rest)));
    }
    lines
}

fn files(count: usize) -> String {
    match count {
        1 => "1 file".into(),
        count => format!("{count} files"),
    }
}

/// The images that a recipe trains on and those it holds out.
pub(crate) fn training_images(splits: &Splits, recipe: &Recipe) -> Result<(Subset, Subset)> {
    let data = &recipe.data;
    let all = Subset::all(splits.train());
    let all = match &data.labels {
        Some(labels) if labels.is_empty() => {
            bail!(
                "{}: expected at least one label, found none; leave it out for all images",
                recipe.place("data.labels")
            )
        }
        Some(labels) => {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            let some = all.of_labels(&labels);
            some.with_context(|| recipe.place("data.labels"))?
        }
        None => all,
    };
    // The data crate knows the setting's name, the recipe where it was made.
    let placed = |error| match error {
        DataError::BadSubset {
            setting,
            expected,
            found,
        } => anyhow!(
            "{}: expected {expected}, found {found}",
            recipe.place(setting)
        ),
        other => other.into(),
    };
    let all = match data.limit {
        Some(limit) => all.limit(limit).map_err(placed)?,
        None => all,
    };
    let split = all.split_validation(data.validation, recipe.run.seed);
    split.map_err(placed)
}

/// The split that a model is measured on where none is named: of those that there are, the one that it knows least of.
pub(crate) fn split_to_measure(has_test: bool, has_validation: bool) -> Split {
    match (has_test, has_validation) {
        (true, _) => Split::Test,
        (false, true) => Split::Validation,
        (false, false) => Split::Train,
    }
}

#[cfg(test)]
mod tests {
    use hourglass_data::Skipped;

    use super::*;

    #[test]
    fn a_report_names_reasons_and_a_few_files() {
        let skipped = (0..20).map(|index| Skipped {
            path: format!("{index}.png"),
            reason: if index < 5 {
                "cut off".into()
            } else {
                format!("reason {index}")
            },
            unreadable: false,
        });
        let report = ImageReport {
            skipped: skipped.collect(),
            ignored: 1,
            notes: vec!["no labels".into()],
            cache: Some("kept".into()),
        };
        let lines = report_lines("own", &report, true);
        let parts = [
            "own: no labels",
            "own: passed over 1 file of other kinds",
            "own: skipped 20 files",
            "  0.png, 1.png, 2.png and 2 more: cut off",
        ];
        for (line, part) in lines.iter().zip(parts) {
            assert!(line.starts_with(part), "{line}");
        }
        assert_eq!(lines[4 + REASONS - 1], "  8 files for other reasons");
        assert!(lines[4 + REASONS].contains("kept"));
        assert_eq!(report_lines("own", &report, false).len(), lines.len() - 1);
        assert!(report_lines("own", &ImageReport::default(), true).is_empty());
    }
}
