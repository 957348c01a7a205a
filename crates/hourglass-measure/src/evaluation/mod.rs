//! Measures a model on a split: the numbers that every model has, and the parts of a report that are asked for.

mod activity;
mod attempt;
mod baseline;
mod basic_quantities;
mod basics;
mod budget;
mod classification;
mod estimates;
mod measured;
mod part;
mod parts;
mod quantity;
mod request;
mod subject;

pub use activity::Activity;
pub use attempt::{attempt, interrupt};
pub use baseline::{Cache, fit_pca};
pub use basics::{Evaluation, PcaComparison, evaluate};
pub use classification::Classification;
pub use estimates::{EstimateDirectory, FinishedEstimate, Origin};
pub use measured::Measured;
pub use parts::*;
pub use quantity::{Better, Number, Outputs, Quantity};
pub use request::Request;
pub use subject::Subject;
