//! The evaluation of a finished model: on which images, how, and what is kept of it.

use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend;
use burn::train::Interrupter;
use hourglass_data::{Locations, Split, Splits, Subset};
use hourglass_measure::{
    Cache, EstimateDirectory, Measure, Report, Request, Subject, examine, examined_sizes,
};
use hourglass_models::{Model, ModelConfig};
use hourglass_store::{DataIdentity, RunDirectory, SavedModel};

use crate::backend::Chosen;
use crate::images::{Opening, split_to_measure, training_samples};
use crate::progress::Stages;

/// What the model is measured on.
pub(crate) struct Images {
    pub(crate) name: Split,
    pub(crate) split: Subset,
    /// The images that it was trained on; without them everything but PCA can be measured.
    pub(crate) training: Result<Subset, String>,
    /// Images of the split's data set, to which classifiers are fitted.
    pub(crate) labelled: Subset,
}

/// Where fitted baselines are kept, if there is a place.
pub(crate) fn baselines(locations: &Locations) -> Option<Cache> {
    let directory = locations.data_directory().ok()?;
    Some(Cache::new(&directory.join("baselines")))
}

/// Where the estimates of a model's log-likelihood on these images are kept: in its run, or for a published one in the data
/// directory. None where there is no such place, or the model can't be read.
pub(crate) fn estimates(
    saved: &SavedModel,
    locations: &Locations,
    backend: &Chosen,
    (data, split): (&str, Split),
) -> Option<EstimateDirectory> {
    let path = match saved.directory() {
        Some(run) => RunDirectory::open(run).log_likelihoods(),
        None => {
            let directory = locations.data_directory().ok()?;
            directory.join("log-likelihood").join(saved.name())
        }
    };
    Some(EstimateDirectory {
        path,
        model_sha256: saved.sha256().ok()?,
        backend: backend.name().into(),
        data: data.to_owned(),
        split: split.to_string(),
    })
}

/// The evaluation of a finished model.
pub(crate) struct Examination<'a> {
    pub(crate) saved: &'a SavedModel,
    pub(crate) config: &'a ModelConfig,
    pub(crate) split: &'a Subset,
    /// The images that the model was trained on, or why they are not there.
    pub(crate) training: Result<&'a Subset, &'a str>,
    pub(crate) request: Request<'a>,
    pub(crate) interrupter: &'a Interrupter,
}

impl Examination<'_> {
    /// The sizes of all batches that the model will get.
    pub(crate) fn sizes(&self, measures: &[Measure]) -> Vec<usize> {
        examined_sizes(self.config, self.split, measures, &self.request)
    }

    /// Measures the model, showing how far it is; the error is the reason why it has no numbers.
    pub(crate) fn run<B: Backend>(
        &self,
        model: &Model<B>,
        measures: &[Measure],
        device: &B::Device,
    ) -> Result<Report, String> {
        let classifier = self
            .saved
            .load_classifier(model, self.config.code(), device);
        let classifier =
            classifier.map_err(|error| format!("the classifier can't be loaded: {error}"))?;
        let subject = Subject {
            model,
            classifier: classifier.as_ref(),
            split: self.split,
            training: self.training,
            device,
        };
        let mut stages = Stages::new();
        let report = examine(
            subject,
            measures,
            &self.request,
            &mut stages.of_measures(self.interrupter),
        );
        stages.finish();
        let report = report?;
        match report.evaluation.first_not_finite() {
            Some((term, value)) => Err(format!(
                "expected a finite {term}, found {value}; the weights are damaged, or the training has diverged"
            )),
            None => Ok(report),
        }
    }
}

/// The images of the split, and those beside which it is measured.
pub(crate) fn images(asked: Option<Split>, opening: &Opening<'_>, name: &str) -> Result<Images> {
    let own = own_samples(opening);
    let (splits, labelled, training, validation) = if *name == opening.description.data.name {
        let (splits, training, validation) = own?;
        (splits, training.clone(), Ok(training), Some(validation))
    } else {
        let splits = opening.data(name)?;
        let labelled = Subset::all(splits.train());
        (splits, labelled, own.map(|(_, training, _)| training), None)
    };
    let chosen = asked.unwrap_or_else(|| {
        let has_validation = validation.as_ref().is_some_and(|images| !images.is_empty());
        let chosen = split_to_measure(splits.has_test(), has_validation);
        if chosen != Split::Test {
            let many = splits.train().kind().many();
            note!("{name} has no test {many}: its {chosen} {many} are measured; choose by --split");
        }
        chosen
    });
    let split = match chosen {
        Split::Train => labelled.clone(),
        Split::Validation => validation.with_context(|| {
            format!("--split validation: expected with the data that the model was trained on, found with {name}")
        })?,
        Split::Test => Subset::all(splits.test()?),
    };
    if split.is_empty() {
        bail!(
            "--split {chosen}: expected images, found none; the model was trained with data.validation = 0"
        );
    }
    Ok(Images {
        name: chosen,
        split,
        training: training.map_err(|error| format!("{error:#}")),
        labelled,
    })
}

/// The model's data, of it the images that it was trained on, and those that it was validated on.
pub(crate) fn own_samples(opening: &Opening<'_>) -> Result<(Splits, Subset, Subset)> {
    let DataIdentity { name, sha256, .. } = &opening.description.data;
    let (splits, recipe) = opening.own()?;
    let found = splits.train().sha256();
    if found != sha256 {
        let many = splits.train().kind().many();
        bail!(
            "{name}: expected the {many} that the model was trained on, SHA-256 {sha256}, found others, {found}; measure \
             on other {many} by --data"
        );
    }
    let (training, validation) = match recipe {
        Some(recipe) => training_samples(&splits, &recipe)?,
        None => Subset::all(splits.train()).split_validation(0.0, 0)?,
    };
    Ok((splits, training, validation))
}
