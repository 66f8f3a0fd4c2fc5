//! How the program's allocator deals with memory that comes and goes with each request.

/// Tells the C library's allocator to keep a few freed megabytes, in one place.
///
/// A request about a thousand workers uses some buffers of hundreds of kilobytes. By
/// default the allocator gives such memory back to the kernel at once, and the next
/// request pays for each page again. One arena instead of one for each thread keeps the
/// program as small as before (mallopt(3)).
pub(crate) fn keep_between_requests() {
    #[cfg(target_env = "gnu")]
    {
        const KEPT: libc::c_int = 8 << 20;
        for (parameter, value) in [
            (libc::M_ARENA_MAX, 1),
            (libc::M_MMAP_THRESHOLD, KEPT),
            (libc::M_TRIM_THRESHOLD, KEPT),
        ] {
            // SAFETY: mallopt(3) takes two integers, touches the allocator's settings only,
            // and is called before any other thread exists.
            let taken = unsafe { libc::mallopt(parameter, value) };
            debug_assert_eq!(taken, 1, "mallopt knows its parameters");
        }
    }
}
