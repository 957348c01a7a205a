//! Opening samples, with progress and a report on stderr.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use hourglass_data::{
    DataError, DataOptions, Kind, Locations, Scaling, SourceReport, Split, Splits, Subset,
};
use hourglass_models::Likelihood;
use hourglass_samples::Group;
use hourglass_store::{Description, SavedModel};
use hourglass_train::Recipe;

use crate::arguments::{LocationArguments, SampleArguments};
use crate::finished::recipe_of;
use crate::progress::Stages;

/// How many reasons for leaving files out are told, and of each how many names.
const REASONS: usize = 8;
const NAMES: usize = 3;

/// The samples that a trained model is used on.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceArguments {
    /// A folder of PNG and JPEG images, one image, a .csv, .parquet, .npy or .safetensors file, a folder of such arrays, a
    /// directory of IDX files, or a name from the catalog [default: the data that the model was trained on]
    #[arg(value_name = "DATA")]
    pub(crate) images: Option<String>,
    /// The same as DATA
    #[arg(long, conflicts_with = "images")]
    pub(crate) data: Option<String>,
    /// The split to use, train or test [default: test if there is one, or else all samples]
    #[arg(long)]
    pub(crate) split: Option<Split>,
    #[command(flatten)]
    pub(crate) how: SampleArguments,
    #[command(flatten)]
    pub(crate) locations: LocationArguments,
}

impl SourceArguments {
    /// The samples asked for, as the model takes them.
    pub(crate) fn open(&self, saved: &SavedModel, description: &Description) -> Result<Subset> {
        let name = self.images.as_deref().or(self.data.as_deref());
        let locations = self.locations.locations();
        self.opening(saved, description, &locations)
            .samples(name, self.split)
    }

    /// How samples of a model are opened.
    pub(crate) fn opening<'a>(
        &'a self,
        saved: &'a SavedModel,
        description: &'a Description,
        locations: &'a Locations,
    ) -> Opening<'a> {
        Opening {
            saved,
            description,
            locations,
            how: &self.how,
        }
    }
}

/// How samples are opened that a model takes.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a> {
    pub(crate) saved: &'a SavedModel,
    pub(crate) description: &'a Description,
    pub(crate) locations: &'a Locations,
    pub(crate) how: &'a SampleArguments,
}

impl Opening<'_> {
    /// A data set, as the model takes it.
    pub(crate) fn data(&self, name: &str) -> Result<Splits, DataError> {
        let options = self.how.for_model(&self.description.input);
        open(name, self.locations, &options)
    }

    /// The data that the model was trained on: taken as they were for the training, where nothing else is asked for.
    pub(crate) fn own(&self) -> Result<(Splits, Option<Recipe>)> {
        let Description { input, data, .. } = self.description;
        let recipe = recipe_of(self.saved)?;
        let splits = match &recipe {
            Some(recipe) => {
                let mut options = recipe.data.options();
                if *self.how != SampleArguments::default() {
                    self.how.change(&mut options);
                    options.images.shape = self.how.for_model(input).images.shape;
                }
                open(&data.name, self.locations, &options)?
            }
            None => self.data(&data.name)?,
        };
        Ok((splits.taken_as(input)?, recipe))
    }

    /// The samples that a model is used on: of `data`, or of what it was trained on. Without a split they are the test
    /// samples where there are some, else all.
    pub(crate) fn samples(&self, data: Option<&str>, split: Option<Split>) -> Result<Subset> {
        let splits = match data {
            Some(name) => self.data(name)?,
            None => self.own().map(|(splits, _)| splits).with_context(|| {
                let others = match self.description.input.kind() {
                    Kind::Image => ", a folder of images or mnist-mini",
                    Kind::Table | Kind::Vectors => "",
                };
                format!(
                    "the {} that the model was trained on can't be opened; name others{others}",
                    self.description.input.kind().many()
                )
            })?,
        };
        Ok(Subset::all(match split {
            Some(Split::Test) => splits.test()?,
            Some(Split::Train) => splits.train(),
            None if splits.has_test() => splits.test()?,
            None => splits.train(),
            Some(Split::Validation) => bail!(
                "--split validation: expected train or test; which samples are held out is a choice of the training, whose own `hourglass evaluate` measures"
            ),
        }))
    }

    /// The features of one sample: an image file, or `test:17` or `train:17` of `data`.
    pub(crate) fn one(&self, sample: &str, data: Option<&str>) -> Result<Vec<f32>> {
        let kind = self.description.input.kind();
        let numbered = sample.split_once(':').and_then(|(split, number)| {
            let split = split.parse().ok()?;
            Some((split, number.parse::<usize>().ok()?))
        });
        let (samples, number) = match numbered {
            Some((split, number)) if !Path::new(sample).exists() => {
                (self.samples(data, Some(split))?, number)
            }
            _ if Path::new(sample).is_file() && kind == Kind::Image => {
                (self.samples(Some(sample), None)?, 0)
            }
            _ if kind == Kind::Image => bail!(
                "{sample}: expected an image file, or test:NUMBER or train:NUMBER of a data set, found neither"
            ),
            _ => bail!("{sample}: expected test:NUMBER or train:NUMBER of a data set"),
        };
        let Some(&index) = samples.indices().get(number) else {
            bail!(
                "{sample}: expected a number below {}, the number of {}",
                samples.len(),
                kind.many()
            );
        };
        Ok(samples.dataset().features_of(index as usize))
    }
}

/// Refuses samples that are no images, for commands that make pictures.
pub(crate) fn require_images(
    description: &Description,
    command: &str,
    instead: &str,
) -> Result<()> {
    match description.input.kind() {
        Kind::Image => Ok(()),
        kind => bail!(
            "{command}: expected a model of images, found one of {}; {instead}",
            kind.many()
        ),
    }
}

/// Opens a data set, showing how far it is and then what was left out.
pub(crate) fn open(
    name: &str,
    locations: &Locations,
    options: &DataOptions,
) -> Result<Splits, DataError> {
    let mut stages = Stages::new();
    let mut scanned = false;
    let splits = hourglass_data::open_with(name, locations, options, &mut |done, total| {
        scanned = true;
        stages.update("reading data", done, total);
    });
    stages.finish();
    let splits = splits?;
    for line in report_lines(name, splits.report(), scanned) {
        note!("{line}");
    }
    Ok(splits)
}

/// What a report says, one line for each thing. It says where the images are kept when they have just been read.
fn report_lines(name: &str, report: &SourceReport, scanned: bool) -> Vec<String> {
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
            "{name}: the data as they were read are kept in {}, which may be deleted",
            cache.display()
        )),
        _ => {}
    }
    lines
}

/// The files that were left out, by reason, the commonest first.
fn skipped_lines(name: &str, report: &SourceReport) -> Vec<String> {
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

/// The samples that a recipe trains on and those it holds out, and all of them, once what becomes of columns and numbers is
/// fitted to the former.
pub(crate) fn fitted_samples(splits: Splits, recipe: &Recipe) -> Result<(Splits, Subset, Subset)> {
    let (training, validation) = training_samples(&splits, recipe)?;
    let kind = splits.train().kind();
    if kind == Kind::Image {
        if recipe.data.scaling.is_some() {
            bail!(
                "{}: expected no scaling, since images are taken as numbers from 0 to 1; leave it out",
                recipe.place("data.scaling")
            );
        }
        return Ok((splits, training, validation));
    }
    let scaling = recipe.data.scaling.unwrap_or_default();
    let groups = splits.train().input().groups();
    let has_numbers = groups
        .iter()
        .any(|group| matches!(group, Group::Numeric(_)));
    if has_numbers
        && scaling != Scaling::MinMax
        && recipe.model.likelihood() == Likelihood::Bernoulli
    {
        bail!(
            "{}: expected a likelihood of numbers such as squared_error, found bernoulli, which is for values from 0 to 1; use \
             --set objective.likelihood=squared_error (or {{ gaussian = {{ sigma = 0.5 }} }} for a variational model), or \
             --scaling min-max",
            recipe.place("objective.likelihood")
        );
    }
    let fitted = training.fit(scaling);
    for line in fitted.notes {
        note!("{}: {line}", splits.train().name());
    }
    let splits = splits.with_input(&fitted.input);
    let [training, validation] = [training, validation].map(|part| part.over(splits.train()));
    Ok((splits, training, validation))
}

/// The samples that a recipe trains on and those it holds out.
pub(crate) fn training_samples(splits: &Splits, recipe: &Recipe) -> Result<(Subset, Subset)> {
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
        let report = SourceReport {
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
        assert!(report_lines("own", &SourceReport::default(), true).is_empty());
    }
}
