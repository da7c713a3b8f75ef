//! Tests of `store`.

use super::*;

fn entries(mark: &str) -> Vec<Entry> {
    let json = format!("{{\"schema_version\":\"1.0\",\"tool\":{{\"name\":\"breakeven\",\"version\":\"{mark}\"}}}}");
    vec![
        ("report.json".into(), json.into_bytes()),
        ("report.md".into(), mark.as_bytes().to_vec()),
        ("plots/a.svg".into(), mark.as_bytes().to_vec()),
    ]
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_report_is_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/er/run");
    replace(&out, &entries("one")).unwrap();
    assert_eq!(fs::read_to_string(out.join("plots/a.svg")).unwrap(), "one");
    let mut second = entries("two");
    second.pop();
    let paths = replace(&out, &second).unwrap();
    assert_eq!(paths, [out.join("report.json"), out.join("report.md")]);
    assert_eq!(fs::read_to_string(out.join("report.md")).unwrap(), "two");
    assert_eq!(listing(&out), ["report.json", "report.md"], "files of the old report are gone");
    assert_eq!(listing(out.parent().unwrap()), ["run"], "nothing is left beside it");
}

#[test]
fn a_foreign_folder_is_refused_and_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("mine");
    replace(&out, &entries("one")).unwrap();
    for (name, content) in [("notes.txt", "x"), ("plots/data.csv", "x")] {
        fs::write(out.join(name), content).unwrap();
        let error = replace(&out, &entries("two")).unwrap_err();
        assert_eq!(error.class, Class::Io);
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(fs::read_to_string(out.join("report.md")).unwrap(), "one");
        fs::remove_file(out.join(name)).unwrap();
    }
    preflight(&out).unwrap();
    // A report.json of someone else does not make a folder ours.
    fs::write(out.join("report.json"), "{\"schema_version\":\"1\",\"tool\":{\"name\":\"other\"}}").unwrap();
    assert!(preflight(&out).is_err());
    // Neither does a file in the folder's place.
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(replace(&file, &entries("two")).is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    // An empty folder is fine.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    replace(&empty, &entries("two")).unwrap();
    assert_eq!(listing(dir.path()), ["empty", "file", "mine"]);
}

#[test]
fn a_failure_half_way_leaves_the_old_report_whole() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    replace(&out, &entries("one")).unwrap();
    // The last entry cannot be created: its parent is a file written just before.
    let mut broken = entries("two");
    broken.push(("report.md/impossible".into(), b"x".to_vec()));
    assert!(replace(&out, &broken).is_err());
    assert_eq!(fs::read_to_string(out.join("report.md")).unwrap(), "one");
    assert_eq!(fs::read_to_string(out.join("plots/a.svg")).unwrap(), "one");
    assert_eq!(listing(dir.path()), ["run"], "the half-written folder is gone");
    let fresh = dir.path().join("fresh");
    assert!(replace(&fresh, &broken).is_err());
    assert!(!fresh.exists());
    assert_eq!(listing(dir.path()), ["run"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_report_is_followed_and_rights_are_ordinary() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    replace(&out, &entries("one")).unwrap();
    let link = dir.path().join("latest");
    symlink(&out, &link).unwrap();
    replace(&link, &entries("two")).unwrap();
    assert_eq!(fs::read_to_string(out.join("report.md")).unwrap(), "two");
    assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    let plain = dir.path().join("plain");
    fs::create_dir(&plain).unwrap();
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), mode(&plain), "the umask decides");
}
