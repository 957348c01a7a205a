//! The exponential function and what goes with it, in single precision. They are free of branches, so that the compiler makes
//! vectors of loops over them.

use std::f32::consts::LOG2_E;

const MANTISSA_BITS: u32 = f32::MANTISSA_DIGITS - 1;

/// exp(x) - 1 for x <= 0, without the cancellation near 0.
#[inline(always)]
pub(super) fn exp_m1(x: f32) -> f32 {
    // Below, the result is -1 in single precision.
    let (n, m) = reduced(at_least(x, -20.0));
    let power = power_of_2(n, 0);
    (power - 1.0) + power * m
}

/// exp(x) for x <= 0.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Keeps the power of 2 in the range of normal numbers until the end.
    const SHIFT: i32 = 64;
    // Below, the result is 0.
    let (n, m) = reduced(at_least(x, -105.0));
    let power = power_of_2(n, SHIFT);
    (power + power * m) * power_of_2(0, -SHIFT)
}

/// The integer n as the exponent of a number has it, and exp(r) - 1, where x = n ln 2 + r, and |r| <= ln 2 / 2.
#[inline(always)]
fn reduced(x: f32) -> (u32, f32) {
    /// 3 * 2^22: a small number added to it is rounded to the integer in its last bits.
    const ROUNDER: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few digits that its product with n is exact (Cephes, expf.c).
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let rounded = x * LOG2_E + ROUNDER;
    let n = rounded - ROUNDER;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    // The series of (exp(r) - 1 - r) / r^2; what is left out is less than 2e-8 of the result.
    let coefficients = [720.0, 120.0, 24.0, 6.0, 2.0].map(|factorial| 1.0 / factorial);
    let series = coefficients
        .into_iter()
        .fold(1.0 / 5040.0, |series, coefficient| coefficient + r * series);
    (rounded.to_bits() << MANTISSA_BITS, r + r * r * series)
}

/// 2^(n + shift), for n as it comes from [`reduced`].
#[inline(always)]
fn power_of_2(n: u32, shift: i32) -> f32 {
    const BIAS: i32 = 127;
    f32::from_bits(n.wrapping_add(((BIAS + shift) as u32) << MANTISSA_BITS))
}

/// NaN stays NaN, unlike with `f32::max`.
#[inline(always)]
fn at_least(x: f32, least: f32) -> f32 {
    if x < least { least } else { x }
}

/// ln(1 + x) for x in [0, 1].
#[inline(always)]
pub(super) fn ln_1p(x: f32) -> f32 {
    // 2 artanh(s), s at most 1/3; what is left out of the series is less than 2e-8 of the result.
    let s = x / (2.0 + x);
    let square = s * s;
    let coefficients = [11.0, 9.0, 7.0, 5.0, 3.0].map(|divisor| 1.0 / divisor);
    let series = coefficients
        .into_iter()
        .fold(1.0 / 13.0, |series, coefficient| {
            coefficient + square * series
        });
    2.0 * (s + s * square * series)
}
