//! L-BFGS: minimising a smooth function of many parameters from values and gradients.
//!
//! The direction is the two-loop recursion over the last ten steps (Nocedal, "Updating quasi-Newton matrices with limited
//! storage", Mathematics of Computation 35, 1980; Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4). The
//! step's length is found by doubling and halving until both conditions of Wolfe hold (Lewis and Overton, "Nonsmooth
//! optimization via quasi-Newton methods", Mathematical Programming 141, 2013, algorithm 2.6): the curvature of every step
//! is then positive, as the recursion needs.

use std::collections::VecDeque;

/// Steps remembered; Nocedal and Wright recommend 3 to 20.
const MEMORY: usize = 10;

/// The share of the slope by which a step must lower the function (Nocedal and Wright, section 3.1).
const SUFFICIENT_DECREASE: f64 = 1e-4;

/// The share of the slope that may remain after a step (in the same section).
const REMAINING_SLOPE: f64 = 0.9;

/// The most trials for the length of a step: doubled or halved so often, the last one changes only its eighth digit.
const TRIALS: usize = 25;

/// When to stop.
pub(super) struct Limits {
    /// The largest absolute value in the gradient that counts as zero.
    pub gradient: f64,
    /// The most steps.
    pub iterations: usize,
}

/// A place with its value and gradient.
pub(super) struct Point {
    pub position: Vec<f64>,
    pub value: f64,
    pub gradient: Vec<f64>,
}

/// Where the search ended.
pub(super) struct Minimum {
    pub point: Point,
    pub iterations: usize,
}

impl Point {
    fn new(position: Vec<f64>, objective: Objective<'_>) -> Self {
        let (value, gradient) = objective(&position);
        Self {
            position,
            value,
            gradient,
        }
    }

    /// The largest absolute value in the gradient.
    pub(super) fn steepness(&self) -> f64 {
        self.gradient
            .iter()
            .fold(0.0, |largest, value| value.abs().max(largest))
    }
}

/// A function's value and gradient at a position.
pub(super) type Objective<'a> = &'a dyn Fn(&[f64]) -> (f64, Vec<f64>);

/// Goes downhill from `start` until a limit is reached, or no step leads further down as far as rounding can tell.
///
/// `progress` is told the steps done and the most there can be.
pub(super) fn minimise(
    start: Vec<f64>,
    objective: Objective<'_>,
    limits: &Limits,
    progress: &mut dyn FnMut(usize, usize),
) -> Minimum {
    let mut point = Point::new(start, objective);
    let mut memory = Memory::default();
    let mut iterations = 0;
    while iterations < limits.iterations && point.steepness() > limits.gradient {
        let direction = memory.direction(&point.gradient);
        let Some(next) = step(&point, &direction, objective) else {
            break;
        };
        memory.push(&point, &next);
        point = next;
        iterations += 1;
        progress(iterations, limits.iterations);
    }
    Minimum { point, iterations }
}

/// A step along `direction` that satisfies Wolfe's conditions; none where no length does.
fn step(from: &Point, direction: &[f64], objective: Objective<'_>) -> Option<Point> {
    let slope = dot(&from.gradient, direction);
    let mut shortest = 0.0;
    let mut longest = f64::INFINITY;
    let mut length = 1.0;
    for _ in 0..TRIALS {
        let position = from.position.iter().zip(direction);
        let position = position
            .map(|(from, direction)| from + length * direction)
            .collect();
        let point = Point::new(position, objective);
        let enough = from.value + SUFFICIENT_DECREASE * length * slope;
        // A step to a value that is not a number is too long, too.
        if point
            .value
            .partial_cmp(&enough)
            .is_none_or(|order| order.is_gt())
        {
            longest = length;
        } else if dot(&point.gradient, direction) < REMAINING_SLOPE * slope {
            shortest = length;
        } else {
            return Some(point);
        }
        length = if longest.is_finite() {
            (shortest + longest) / 2.0
        } else {
            2.0 * shortest
        };
    }
    None
}

/// The last steps with the change of the gradient along each, the oldest first.
#[derive(Default)]
struct Memory {
    steps: VecDeque<Step>,
}

struct Step {
    /// The change of the position.
    change: Vec<f64>,
    /// The change of the gradient.
    bend: Vec<f64>,
    /// The product of the two, positive.
    curvature: f64,
}

impl Memory {
    fn push(&mut self, from: &Point, to: &Point) {
        let change = difference(&to.position, &from.position);
        let bend = difference(&to.gradient, &from.gradient);
        let curvature = dot(&change, &bend);
        if curvature <= 0.0 {
            return;
        }
        if self.steps.len() == MEMORY {
            self.steps.pop_front();
        }
        self.steps.push_back(Step {
            change,
            bend,
            curvature,
        });
    }

    /// Minus the approximate inverse Hessian times the gradient; without a memory, a step of length 1 at most.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction: Vec<f64> = gradient.iter().map(|value| -value).collect();
        let mut weights = Vec::with_capacity(self.steps.len());
        for step in self.steps.iter().rev() {
            let weight = dot(&step.change, &direction) / step.curvature;
            add_scaled(&mut direction, -weight, &step.bend);
            weights.push(weight);
        }
        let scale = match self.steps.back() {
            Some(last) => last.curvature / dot(&last.bend, &last.bend),
            None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
        };
        direction.iter_mut().for_each(|value| *value *= scale);
        for (step, weight) in self.steps.iter().zip(weights.iter().rev()) {
            let correction = weight - dot(&step.bend, &direction) / step.curvature;
            add_scaled(&mut direction, correction, &step.change);
        }
        direction
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    std::iter::zip(left, right)
        .map(|(left, right)| left * right)
        .sum()
}

fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    std::iter::zip(left, right)
        .map(|(left, right)| left - right)
        .collect()
}

fn add_scaled(values: &mut [f64], scale: f64, added: &[f64]) {
    for (value, added) in values.iter_mut().zip(added) {
        *value += scale * added;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(iterations: usize) -> Limits {
        Limits {
            gradient: 1e-9,
            iterations,
        }
    }

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end() {
        // (1 - x)² + 100 (y - x²)², from the usual start; its minimum is 0 at (1, 1).
        let rosenbrock = |at: &[f64]| {
            let [across, along] = [at[1] - at[0] * at[0], 1.0 - at[0]];
            let gradient = vec![-2.0 * along - 400.0 * at[0] * across, 200.0 * across];
            (along * along + 100.0 * across * across, gradient)
        };
        let mut told = 0;
        let minimum = minimise(
            vec![-1.2, 1.0],
            &rosenbrock,
            &limits(100),
            &mut |done, all| {
                assert!(done == told + 1 && all == 100);
                told = done;
            },
        );
        assert!(
            minimum
                .point
                .position
                .iter()
                .all(|value| (value - 1.0).abs() < 1e-8)
        );
        assert!(minimum.iterations == told && minimum.iterations < 60);
        assert!(minimum.point.steepness() <= 1e-9);
    }

    #[test]
    fn curvatures_apart_by_a_million_take_few_steps() {
        // Σ c_i x_i² / 2 with c from 1e-3 to 1e3: steepest descent would need millions of steps.
        let curvature = |index: usize| 10.0_f64.powi(index as i32 - 3);
        let bowl = |at: &[f64]| {
            let gradient = at
                .iter()
                .enumerate()
                .map(|(index, value)| curvature(index) * value);
            let gradient: Vec<f64> = gradient.collect();
            (dot(at, &gradient) / 2.0, gradient)
        };
        let minimum = minimise(vec![1.0; 7], &bowl, &limits(200), &mut |_, _| {});
        assert!(minimum.point.steepness() <= 1e-9);
        assert!(minimum.iterations < 150, "{}", minimum.iterations);
    }

    #[test]
    fn the_search_ends_where_it_may_go_no_further() {
        let slope = |at: &[f64]| (at[0], vec![1.0]);
        assert_eq!(
            minimise(vec![0.0], &slope, &limits(0), &mut |_, _| {}).iterations,
            0
        );
        // The first trial, of length 1, lands on the other side of the valley, higher up.
        let steep = |at: &[f64]| (100.0 * at[0] * at[0], vec![200.0 * at[0]]);
        let minimum = minimise(vec![0.3], &steep, &limits(1), &mut |_, _| {});
        assert!(minimum.iterations == 1 && minimum.point.value < 9.0);
        // A function without a lowest place satisfies no condition on the slope: the search gives up.
        let minimum = minimise(vec![0.0], &slope, &limits(5), &mut |_, _| {});
        assert_eq!((minimum.iterations, minimum.point.position[0]), (0, 0.0));
    }
}
