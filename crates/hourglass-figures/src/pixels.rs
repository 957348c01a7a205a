//! Values as bytes.

/// The nearest byte of a pixel in [0, 1].
pub fn to_byte(value: f32) -> u8 {
    // The cast takes what is not a number for 0.
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_nearest_ones() {
        let bytes = [
            -1.0,
            0.0,
            0.5 / 255.0 - 1e-4,
            0.5 / 255.0 + 1e-4,
            1.0,
            7.0,
            f32::NAN,
        ];
        assert_eq!(bytes.map(to_byte), [0, 0, 0, 1, 255, 255, 0]);
    }
}
