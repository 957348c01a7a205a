//! What a model does on a split, a file for each part of the report.

mod activity;
mod attempt;
mod baseline;
mod basics;
mod budget;
mod classification;
mod contraction;
mod estimates;
mod likelihood;
mod measured;
mod outliers;
mod reconstruction;
mod report;
mod representation;
mod request;
mod robustness;
mod subject;

pub use activity::Activity;
pub use attempt::{attempt, interrupt};
pub use baseline::{Cache, fit_pca};
pub use basics::{Evaluation, PcaComparison, evaluate, evaluation_sizes};
pub use classification::Classification;
pub use contraction::Contraction;
pub use estimates::{EstimateDirectory, FinishedEstimate, Origin};
pub use likelihood::{
    ACTIVE_VARIANCE, CodeInformation, Density, EvidenceLowerBound, LogLikelihood, code_information,
    evidence_lower_bound, log_likelihood,
};
pub use measured::Measured;
pub use outliers::Outliers;
pub use reconstruction::{Class, Fidelity, Reconstructed, Reconstruction};
pub use report::{Report, examine};
pub use representation::{Readout, Representation};
pub use request::{Measure, Request};
pub use robustness::Robustness;
pub use subject::Subject;
