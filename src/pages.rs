//! Large pages for memory that is about to be written for the first time.
#![allow(unsafe_code)]

/// Asks for large pages where the memory has not been touched yet: a gigabyte is a quarter of a million page faults
/// otherwise. Whether they are granted does not matter; contents stay as they are. Short runs are left alone.
pub(crate) fn ask_for_large<T>(start: *const T, count: usize) {
    advise(start.cast(), count.saturating_mul(size_of::<T>()));
}

/// Bytes of a large page; shorter memory has none to gain.
pub(crate) const LARGE: usize = 2 << 20;

#[cfg(target_os = "linux")]
fn advise(start: *const u8, bytes: usize) {
    const PAGE: usize = 4096;
    const MADV_HUGEPAGE: i32 = 14;
    unsafe extern "C" {
        fn madvise(start: *const u8, bytes: usize, advice: i32) -> i32;
    }
    let skip = start.align_offset(PAGE);
    if bytes < LARGE || skip >= bytes {
        return;
    }
    // SAFETY: this advice reads and writes no memory and changes neither contents nor protection of the pages, whoever
    // they belong to; for a range that is not mapped, or is no plain memory, the call returns an error and leaves all
    // as it was. So it is sound for every start and length.
    unsafe {
        madvise(start.wrapping_add(skip), (bytes - skip) / PAGE * PAGE, MADV_HUGEPAGE);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *const u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::{LARGE, ask_for_large};

    #[test]
    fn contents_and_room_stay() {
        let mut column: Vec<u64> = Vec::with_capacity(3 * LARGE / 8 + 5);
        column.extend(0..1000);
        let place = column.as_ptr();
        ask_for_large(column.as_ptr(), column.capacity());
        assert_eq!(column.as_ptr(), place);
        assert!(column.iter().copied().eq(0..1000));
        column.extend(1000..3 * LARGE as u64 / 8);
        assert!(column.iter().copied().eq(0..3 * LARGE as u64 / 8));
    }

    #[test]
    fn any_length_and_place_is_taken() {
        for length in [0, 1, 4095, 4096, LARGE - 1, LARGE, LARGE + 4097] {
            for skip in [0, 1, 4095] {
                let mut bytes: Vec<u8> = vec![7; length + skip];
                ask_for_large(bytes[skip..].as_ptr(), length);
                assert!(bytes.iter().all(|b| *b == 7));
                bytes.fill(9);
            }
        }
        // Nothing is mapped there.
        ask_for_large(std::ptr::without_provenance::<u8>(1 << 12), LARGE);
    }
}
