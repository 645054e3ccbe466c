//! Returns the number of entries of `/` (-1 if it can't be read), of environment variables and of
//! arguments. A pure stage sees none.

use std::{env, fs};

hotstage_guests::answers!(|| {
    let entries = fs::read_dir("/").map_or(-1.0, |entries| entries.count() as f32);
    vec![
        entries,
        env::vars_os().count() as f32,
        env::args_os().count() as f32,
    ]
});
