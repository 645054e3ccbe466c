//! Which files may be opened: tests on trees of directories, files and links, compared with a
//! model.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn text(file: File) -> String {
    let (mut file, mut text) = (file, String::new());
    file.read_to_string(&mut text).unwrap();
    text
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
}

/// Runs the work on a thread of its own, so that blocking fails the test instead of hanging it.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    answer
        .recv_timeout(Duration::from_secs(30))
        .expect("opening blocks")
}

#[test]
fn a_file_that_is_not_regular_is_named_and_never_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    fifo(&path.join("fifo"));
    symlink("fifo", path.join("link")).unwrap();
    fs::create_dir(path.join("dir")).unwrap();
    let _socket = UnixListener::bind(path.join("socket")).unwrap();
    for (name, what) in [
        (
            "fifo",
            "is a FIFO, not a file; to read a program's output, use standard input with `-f -`",
        ),
        ("link", "is a FIFO"),
        ("dir", "is a folder, not a file"),
        ("socket", "is a socket, not a file"),
        ("absent", "there is no file"),
        ("/dev/null", "is a device, not a file"),
    ] {
        let of = Confined::new(&path, &Allowed::default());
        let confined = in_time(move || of.open(name).unwrap_err().to_string());
        assert!(confined.contains(what), "{name}: {confined}");
        let path = path.join(name);
        let named = in_time(move || open(&path).unwrap_err().to_string());
        assert!(named.contains(what), "{name}: {named}");
    }
    let own = path.join("fifo");
    assert!(in_time(move || open_own(&own)).is_err());
    fs::write(path.join("file"), "x").unwrap();
    symlink("file", path.join("to-file")).unwrap();
    assert!(open_own(&path.join("file")).is_ok() && open_own(&path.join("to-file")).is_err());
}

#[test]
fn what_leads_out_names_the_flag_and_the_directory() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().canonicalize().unwrap();
    for name in ["vendor", "shared"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("weights"), name).unwrap();
    }
    symlink("../shared/weights", root.join("vendor/link")).unwrap();
    symlink(root.join("vendor/weights"), root.join("vendor/back")).unwrap();
    let vendor = root.join("vendor");
    let confined = Confined::new(&vendor, &Allowed::default());
    assert_eq!(text(confined.open("./weights").unwrap()), "vendor");
    // An absolute link, or a path that leads out and back: the file's real location counts.
    for way in ["back", "../shared/../vendor/weights"] {
        assert_eq!(text(confined.open(way).unwrap()), "vendor", "{way}");
    }
    let absolute = root.join("shared/weights");
    for way in ["link", "../shared/weights", absolute.to_str().unwrap()] {
        let message = confined.open(way).unwrap_err().to_string();
        let flag = format!(
            "allow its directory with --allow-path {}",
            root.join("shared").display()
        );
        assert!(
            message.contains("leads out of the manifest's folder, to ") && message.ends_with(&flag),
            "{message}"
        );
        let allowed = Confined::new(&vendor, &Allowed::new(&[root.join("shared")]));
        assert_eq!(text(allowed.open(way).unwrap()), "shared", "{way}");
    }
    // A directory with the same name prefix is not below the allowed one.
    fs::create_dir(root.join("shared-not")).unwrap();
    fs::write(root.join("shared-not/x"), "").unwrap();
    let allowed = Confined::new(&vendor, &Allowed::new(&[root.join("shared")]));
    assert!(matches!(
        allowed.open("../shared-not/x"),
        Err(OpenError::Outside { .. })
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn files_on_kernel_file_systems_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    symlink("/proc/self", folder.path().join("self")).unwrap();
    let open = |allowed: &str, path: &str| {
        Confined::new(folder.path(), &Allowed::new(&[allowed.into()]))
            .open(path)
            .map(drop)
            .map_err(|e| e.to_string())
    };
    for path in [
        "/proc/self/environ",
        "self/environ",
        "/proc/self/root/etc/hostname",
    ] {
        assert!(open("/nowhere", path).is_err(), "{path}");
    }
    for path in [
        "/proc/self/environ",
        "self/environ",
        "/proc/sys/kernel/ostype",
    ] {
        let message = open("/", path).unwrap_err();
        assert!(message.contains("is on a kernel file system"), "{message}");
    }
    assert_eq!(open("/proc/sys/kernel", "/proc/sys/kernel/ostype"), Ok(()));
}

#[test]
fn cycles_of_links_end() {
    let folder = tempfile::tempdir().unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    assert!(
        Confined::new(folder.path(), &Allowed::default())
            .open("a")
            .is_err()
    );
}

/// A name, or `..`.
type Names = Vec<&'static str>;

#[derive(Clone, Debug)]
enum Kind {
    Directory,
    File,
    /// To these names, from the root of the tree or from the link's directory.
    Link(bool, Names),
}

/// The tree as a table, by names from its root.
type Tree = BTreeMap<Names, Kind>;

fn names(most: usize) -> impl Strategy<Value = Names> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ".."]), 1..=most)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        2 => Just(Kind::Directory),
        2 => Just(Kind::File),
        3 => (any::<bool>(), names(4)).prop_map(|(absolute, names)| Kind::Link(absolute, names)),
    ]
}

/// The names of the file to which the path leads, if it is in the tree.
fn lead(tree: &Tree, from: &[&'static str], to: &[&'static str]) -> Option<Names> {
    let (mut at, mut ahead, mut links) = (from.to_vec(), to.to_vec(), 0);
    ahead.reverse();
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop()?;
            continue;
        }
        at.push(name);
        match tree.get(&at)? {
            Kind::Directory => {}
            Kind::File => return ahead.is_empty().then_some(at),
            Kind::Link(absolute, target) => {
                links += 1;
                at.pop();
                if links > walk::LINKS_MAX {
                    return None;
                }
                if *absolute {
                    at.clear();
                }
                ahead.extend(target.iter().rev());
            }
        }
    }
    None
}

fn joined(root: &Path, names: &[&str]) -> PathBuf {
    names
        .iter()
        .fold(root.to_owned(), |path, name| path.join(name))
}

/// Creates the entries that can be created: below existing directories, under free names.
fn make(root: &Path, wanted: Vec<(Names, Kind)>) -> Tree {
    let mut tree = Tree::from([(vec![], Kind::Directory)]);
    let first = ["a", "b"].map(|name| (vec![name], Kind::Directory));
    for (place, kind) in first.into_iter().chain(wanted) {
        let above = &place[..place.len() - 1];
        if place.contains(&"..")
            || tree.contains_key(&place)
            || !matches!(tree.get(above), Some(Kind::Directory))
        {
            continue;
        }
        let path = joined(root, &place);
        match &kind {
            Kind::Directory => fs::create_dir(path).unwrap(),
            Kind::File => fs::write(path, place.join("/")).unwrap(),
            Kind::Link(true, target) => symlink(joined(root, target), path).unwrap(),
            Kind::Link(false, target) => symlink(target.join("/"), path).unwrap(),
        }
        tree.insert(place, kind);
    }
    tree
}

proptest! {
    /// The folder is `a`; `b` is allowed or not.
    #[test]
    fn a_file_is_opened_if_and_only_if_it_lies_where_it_may(
        wanted in prop::collection::vec((names(3), kind()), 0..16),
        asked in prop::collection::vec((any::<bool>(), names(5)), 1..16),
        allows in any::<bool>(),
    ) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let tree = make(&root, wanted);
        let allowed = if allows { Allowed::new(&[root.join("b")]) } else { Allowed::default() };
        let confined = Confined::new(&root.join("a"), &allowed);
        for (absolute, to) in asked {
            let (from, path) = if absolute {
                (vec![], joined(&root, &to))
            } else {
                (vec!["a"], to.join("/").into())
            };
            let found = lead(&tree, &from, &to);
            let may = found.filter(|found| found[0] == "a" || allows && found[0] == "b");
            let opened = confined.open(&path);
            prop_assert_eq!(opened.is_ok(), may.is_some(), "{:?} {:?} {:?}", path, tree, opened);
            if let (Ok(file), Some(may)) = (opened, may) {
                prop_assert_eq!(text(file), may.join("/"));
            }
        }
    }
}
