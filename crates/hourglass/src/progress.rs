//! Progress on stderr: as bars on a terminal, as few lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use burn::train::Interrupter;
use hourglass_measure::interrupt;
use hourglass_store::MetricsLine;
use hourglass_train::Observer;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Seconds between lines where stderr is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// Seconds after which a rate, and the time that is left, mean something.
const SETTLED: f64 = 1.0;

/// Between drawings of a bar.
const REDRAWN: Duration = Duration::from_millis(200);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Steps of a training, whose message says how many images per second they are.
    Steps,
    /// Bytes, told in MB.
    Bytes,
    /// What the name of the phase says.
    Parts,
}

/// How much of something is done, and since when how much.
#[derive(Debug, Clone, Copy)]
struct BarStanding {
    done: u64,
    /// Zero where it is not known.
    total: u64,
    unit: Unit,
    /// What was done before, in another call, says nothing of how fast it is.
    before: u64,
    seconds: f64,
}

impl BarStanding {
    /// Such as `120/190 steps, 5 s left`.
    fn text(&self) -> String {
        let parts = [Some(self.count()), self.rate(), self.left()];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }

    fn has_total(&self) -> bool {
        self.total > 0 && self.done <= self.total
    }

    fn count(&self) -> String {
        let count = |number: u64| match self.unit {
            Unit::Bytes => format!("{:.1}", number as f64 / 1e6),
            Unit::Steps | Unit::Parts => HumanCount(number).to_string(),
        };
        let unit = match self.unit {
            Unit::Steps => " steps",
            Unit::Bytes => " MB",
            Unit::Parts => "",
        };
        match self.has_total() {
            true => format!("{}/{}{unit}", count(self.done), count(self.total)),
            false => format!("{}{unit}", count(self.done)),
        }
    }

    /// How many are done per second, once that means something.
    fn per_second(&self) -> Option<f64> {
        let done = self.done.saturating_sub(self.before);
        (done > 0 && self.seconds >= SETTLED).then(|| done as f64 / self.seconds)
    }

    fn rate(&self) -> Option<String> {
        match self.unit {
            Unit::Bytes => Some(rate_text(self.per_second()? / 1e6, "MB")),
            Unit::Steps | Unit::Parts => None,
        }
    }

    fn left(&self) -> Option<String> {
        if !self.has_total() || self.done == self.total {
            return None;
        }
        let left = (self.total - self.done) as f64 / self.per_second()?;
        Some(format!("{} left", time_text(left)))
    }
}

/// A rate of three digits.
fn rate_text(per_second: f64, unit: &str) -> String {
    match per_second {
        100.0.. => format!("{} {unit}/s", HumanCount(per_second.round() as u64)),
        10.0..100.0 => format!("{per_second:.1} {unit}/s"),
        _ => format!("{per_second:.2} {unit}/s"),
    }
}

fn time_text(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A bar on a terminal: what is done, how much of it, and the time left.
pub(crate) struct Bar {
    bar: ProgressBar,
    standing: BarStanding,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    pub(crate) fn new(unit: Unit) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self {
            bar,
            standing: BarStanding {
                done: 0,
                total: 0,
                unit,
                before: 0,
                seconds: 0.0,
            },
            begun: Instant::now(),
            drawn: None,
        }
    }

    /// Begins with something that was done so far before.
    pub(crate) fn begin(&mut self, before: u64) {
        self.begun = Instant::now();
        self.standing.before = before;
        self.drawn = None;
    }

    pub(crate) fn update(&mut self, done: u64, total: u64) {
        self.standing = BarStanding {
            done,
            total,
            seconds: self.begun.elapsed().as_secs_f64(),
            ..self.standing
        };
    }

    /// Draws it under a name, unless it was drawn a moment ago.
    pub(crate) fn draw(&mut self, name: impl FnOnce() -> String) {
        if self.drawn.is_some_and(|drawn| drawn.elapsed() < REDRAWN) {
            return;
        }
        let template = match self.standing.has_total() {
            true => "{prefix} [{bar:30}] {msg}",
            false => "{prefix} {msg}",
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_prefix(name());
        self.bar.set_message(self.standing.text());
        self.bar.set_length(self.standing.total);
        self.bar.set_position(self.standing.done);
        self.drawn = Some(Instant::now());
    }

    /// Writes lines to stderr above the bar.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows the progress of an evaluation.
pub(crate) struct Stages {
    bar: Bar,
    is_terminal: bool,
    stage: String,
    last_line: Instant,
}

impl Stages {
    pub(crate) fn new() -> Self {
        Self {
            bar: Bar::new(Unit::Parts),
            is_terminal: std::io::stderr().is_terminal(),
            stage: String::new(),
            last_line: Instant::now(),
        }
    }

    pub(crate) fn update(&mut self, stage: &str, done: usize, total: usize) {
        // A stage can have several parts, each from the beginning.
        if self.stage != stage || (done as u64) < self.bar.standing.done {
            stage.clone_into(&mut self.stage);
            self.bar.begin(done as u64);
        }
        self.bar.update(done as u64, total as u64);
        if self.is_terminal {
            self.bar.draw(|| self.stage.clone());
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            note!("{stage} {}", self.bar.standing.text());
        }
    }

    /// Shows the progress of measures, and ends the one in progress where it was interrupted.
    pub(crate) fn of_measures(
        &mut self,
        interrupter: &Interrupter,
    ) -> impl FnMut(&str, usize, usize) {
        |stage, done, total| {
            if interrupter.should_stop() {
                interrupt();
            }
            self.update(stage, done, total);
        }
    }

    pub(crate) fn finish(self) {
        self.bar.finish();
    }
}

/// Shows the progress of a training run.
pub(crate) struct TrainingBar {
    bar: Bar,
    is_terminal: bool,
    last_line: Instant,
    /// What the last evaluation gave.
    validation: String,
}

impl TrainingBar {
    pub(crate) fn new() -> Self {
        Self {
            bar: Bar::new(Unit::Steps),
            is_terminal: std::io::stderr().is_terminal(),
            last_line: Instant::now(),
            validation: String::new(),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish();
    }
}

/// Where a training is: the phase where there are several, the epoch, the speed and the terms.
fn training_text(
    standing: &hourglass_train::Standing<'_>,
    steps_per_second: Option<f64>,
) -> String {
    let terms = standing
        .terms
        .iter()
        .map(|(name, value)| (name.as_str(), *value));
    let per_epoch = standing.steps_per_epoch as f64;
    let epoch = standing.step as f64 / per_epoch;
    let epochs = standing.steps as f64 / per_epoch;
    let images_per_step = standing.images_per_epoch as f64 / per_epoch;
    let parts = [
        standing.is_one_of_many.then(|| standing.phase.to_string()),
        Some(format!("epoch {epoch:.1}/{epochs:.1}")),
        steps_per_second.map(|steps| rate_text(steps * images_per_step, "images")),
        // There are none before the first were read back.
        Some(terms_text(terms)).filter(|text| !text.is_empty()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn terms_text<'a>(terms: impl Iterator<Item = (&'a str, f64)>) -> String {
    let parts: Vec<String> = terms
        .map(|(name, value)| {
            // The error of a good classifier is of the order of 0.01.
            let decimals = if value.abs() < 0.1 { 4 } else { 2 };
            format!("{name} {value:.decimals$}")
        })
        .collect();
    parts.join(", ")
}

impl Observer for TrainingBar {
    fn started(&mut self, standing: hourglass_train::Standing<'_>) {
        self.bar.begin(standing.step);
    }

    fn stepped(&mut self, standing: hourglass_train::Standing<'_>) {
        self.bar.update(standing.step, standing.steps);
        let speed = self.bar.standing.per_second();
        if self.is_terminal {
            let validation = &self.validation;
            self.bar
                .draw(|| format!("{validation}{}", training_text(&standing, speed)));
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let BarStanding { done, total, .. } = self.bar.standing;
            let left = self.bar.standing.left().map(|left| format!(", {left}"));
            note!(
                "step {done}/{total}, {}{}",
                training_text(&standing, speed),
                left.unwrap_or_default()
            );
        }
    }

    fn measured(&mut self, line: &MetricsLine) {
        if self.is_terminal && line.split == "validation" {
            let terms = line
                .terms
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)));
            let terms = terms_text(terms);
            self.validation = format!("validation {terms}; ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(unit: Unit, done: u64, total: u64, before: u64, seconds: f64) -> String {
        BarStanding {
            done,
            total,
            unit,
            before,
            seconds,
        }
        .text()
    }

    #[test]
    fn nothing_is_counted_out_of_nothing() {
        assert_eq!(text(Unit::Parts, 500, 0, 0, 5.0), "500");
        assert_eq!(text(Unit::Parts, 500, 400, 0, 5.0), "500");
        assert_eq!(text(Unit::Bytes, 1_500_000, 0, 0, 5.0), "1.5 MB, 0.30 MB/s");
    }

    #[test]
    fn units_stand_apart_from_their_numbers() {
        assert_eq!(text(Unit::Steps, 0, 190, 0, 0.0), "0/190 steps");
        assert_eq!(
            text(Unit::Bytes, 11_500_000, 45_000_000, 0, 2.0),
            "11.5/45.0 MB, 5.75 MB/s, 6 s left"
        );
    }

    #[test]
    fn times_and_rates_wait_until_they_mean_something() {
        assert_eq!(text(Unit::Parts, 1_000, 60_000, 0, 1e-5), "1,000/60,000");
        assert_eq!(text(Unit::Steps, 50, 190, 50, 20.0), "50/190 steps");
        assert_eq!(
            text(Unit::Steps, 120, 190, 50, 20.0),
            "120/190 steps, 20 s left"
        );
        assert_eq!(text(Unit::Steps, 190, 190, 50, 20.0), "190/190 steps");
    }

    #[test]
    fn rates_have_three_digits_and_times_two_units() {
        for (rate, expected) in [
            (68_937_259.6, "68,937,260 images/s"),
            (123.4, "123 images/s"),
            (12.34, "12.3 images/s"),
            (0.5, "0.50 images/s"),
        ] {
            assert_eq!(rate_text(rate, "images"), expected);
        }
        for (seconds, expected) in [
            (59.4, "59 s"),
            (200.0, "3 min 20 s"),
            (7_500.0, "2 h 5 min"),
        ] {
            assert_eq!(time_text(seconds), expected);
        }
    }
}
