//! Where the k largest of some numbers are.

/// The places of the `k` largest values, in no order; `k` is less than their number.
pub(crate) fn places_of_largest(row: &[f32], k: usize) -> impl Iterator<Item = u32> {
    // Numbers of the same order as the values, with the places below them, so that one comparison decides.
    let keys = row.iter().zip(0_u32..).map(|(value, place)| {
        let bits = value.to_bits();
        let order = if bits >> 31 == 0 {
            bits | 1 << 31
        } else {
            !bits
        };
        u64::from(!order) << 32 | u64::from(place)
    });
    let mut keys: Vec<u64> = keys.collect();
    keys.select_nth_unstable(k);
    keys.truncate(k);
    keys.into_iter().map(|key| key as u32)
}
