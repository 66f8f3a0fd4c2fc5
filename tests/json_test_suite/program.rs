//! A sample of the files, through the built program.

use crate::files::{self, TestFile};
use crate::harness::{TestPool, Worker};
use crate::place::Place;

/// Every so many files one is tried.
const EVERY: usize = 16;

fn is_large(file: &TestFile) -> bool {
    file.bytes.len() > 50_000
}

#[test]
fn the_program_says_which_file_and_where_or_keeps_it() {
    let (live, new) = (Worker::obedient(), Worker::obedient());
    let pool = TestPool::new();
    let pid = new.pid().to_string();
    let (mut accepted, mut refused) = (0, 0);
    for (index, file) in files::all().iter().enumerate() {
        if index % EVERY != 0 && !is_large(file) {
            continue;
        }
        for place in Place::ALL {
            let (head, tail) = place.registry(&file.bytes, &live.entry("live").text());
            let before = [head.as_slice(), &tail].concat();
            pool.write(&before);
            let ran = pool.run(&["register", "--sid", "new", "--pid", &pid]);
            let what = format!("{} as {place:?}: {ran:#?}", file.name);
            let after = pool.bytes();
            if ran.code == 0 {
                assert!(after.starts_with(&head) && after.ends_with(&tail), "{what}");
                assert_ne!(after, before, "{what}");
                accepted += 1;
            } else {
                let error = ran.error(6);
                let path = pool.registry();
                assert!(error.contains(path.to_str().expect("a path")), "{what}");
                assert!(error.contains(" at line "), "{what}");
                assert_eq!(after, before, "{what}");
                refused += 1;
            }
        }
    }
    assert!(accepted >= 10 && refused >= 10, "{accepted} and {refused}");
    println!("through the program: {accepted} accepted, {refused} refused");
}
