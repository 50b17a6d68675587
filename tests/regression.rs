//! One test for each fault that was mended, with the smallest input, named after the behaviour.

use std::fs;

use crate::support::site::Site;

#[test]
fn a_save_of_a_missing_source_leaves_nothing() {
    let site = Site::new();
    let reply = site.get("none.jpg?req=saveToFile&name=a.jpg");
    assert_eq!(reply.status, 403);
    let left = fs::read_dir(site.root().join("saved/web")).expect("the folder is there").count();
    assert_eq!(left, 0, "neither a file nor a temporary one");
}
