//! What happens before a request is parsed: lock, obfuscation, rules, address filters (requests.md 3 to 5).

use std::net::IpAddr;

use imprint::reply::Reply;
use imprint::request::{Method, RawRequest};
use imprint::service::Service;

use crate::support::pictures::{decoded, png, textured, unhurried};
use crate::support::site::{FIXTURE_INI, Site, answer, get, request, text};

const SAMPLE: &str = "RootId=cat\nCatalogFile=cat.txt\n";

/// A site with catalog `cat` (records `shoe`, `smallTemplate`), more attributes, and a rule set.
fn site(attributes: &str, rules: Option<&str>) -> Site {
    let site = Site::with("", FIXTURE_INI);
    site.image("a.png", png(&textured(400, 300)));
    site.write("catalogs/cat.txt", "Id\tPath\nshoe\ta.png\nmyImage\ta.png\nsmallTemplate\ta.png\n");
    let named = if rules.is_some() { "RuleSetFile=rules.xml\n" } else { "" };
    site.write("catalogs/cat.ini", format!("{SAMPLE}{named}{attributes}"));
    if let Some(rules) = rules {
        site.write("catalogs/rules.xml", ruleset(rules));
    }
    site
}

fn ruleset(rules: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ruleset>\n{rules}\n</ruleset>\n")
}

/// Width of the reply, or its status.
fn width(service: &Service, target: &str) -> Result<u32, u16> {
    let reply = get(service, target);
    match reply.status {
        200 => Ok(decoded(&reply.body).size.width),
        status => Err(status),
    }
}

fn from(service: &Service, client: &str, target: &str) -> Reply {
    let peer: IpAddr = client.parse().expect("an address");
    let raw = RawRequest { peer: Some(peer), ..request(Method::Get, target) };
    answer(service, &raw, &unhurried())
}

#[test]
fn a_locked_catalog_serves_locked_requests_only() {
    let site = site("RequestLock=1\n", None);
    let service = site.service();
    for (row, target, status) in [
        ("RQ-021 K-23", "cat/shoe?wid=200&4a1f", 200),
        ("RQ-021 K-23 changed", "cat/shoe?wid=201&4a1f", 403),
        ("RQ-021 missing", "cat/shoe?wid=200", 403),
        ("U-lock-case", "cat/shoe?wid=200&4A1F", 200),
        ("U-lock-empty", "cat/shoe?&0000", 200),
        ("U-lock-empty, none", "cat/shoe", 403),
        ("another catalog", "a.png?wid=200", 200),
    ] {
        assert_eq!(get(&service, target).status, status, "{row}: {target}");
    }
}

#[test]
fn an_obfuscated_catalog_reads_base64_only() {
    let site = site("RequestObfuscation=1\n", None);
    let service = site.service();
    let plain = self::site("", None).get("cat/shoe?wid=200&fmt=png").body;
    let reply = get(&service, "cat/shoe?d2lkPTIwMCZmbXQ9cG5n");
    assert_eq!(reply.status, 200, "RQ-022: {}", text(&reply));
    assert!(reply.body == plain, "RQ-022: the clear request gives the same");
    assert_eq!(get(&service, "cat/shoe?wid=200").status, 403, "RQ-022");
    let both = self::site("RequestObfuscation=1\nRequestLock=1\n", None);
    let service = both.service();
    let reply = get(&service, "cat/shoe?d2lkPTIwMCZmbXQ9cG5nJjU5ZDI=");
    assert_eq!(reply.status, 200, "RQ-023: {}", text(&reply));
    assert!(reply.body == plain, "RQ-023 S-63: the clear request gives the same");
    assert_eq!(get(&service, "cat/shoe?d2lkPTIwMCZmbXQ9cG5n").status, 403, "RQ-023 S-63: no lock");
}

#[test]
fn rules_rewrite_as_documented() {
    // Row, rules, request, width of the reply or status.
    let cases: &[(&str, &str, &str, Result<u32, u16>)] = &[
        (
            "K-01 CX-30 RQ-025",
            r"<rule><expression>(?i)_hg$</expression><substitution>\?&amp;wid=55</substitution></rule>",
            "cat/shoe_HG",
            Ok(55),
        ),
        (
            "K-02 CDATA",
            "<rule><expression>(?i)_hg</expression>\
             <substitution><![CDATA[&wid=56]]></substitution></rule>",
            "cat/shoe_hg",
            Ok(56),
        ),
        (
            "K-03 CX-31 S-49",
            "<rule><expression>([^/]+)/(small|medium|large)$</expression>\
             <substitution>$2Template?src=cat/$1&amp;wid=57</substitution></rule>",
            "cat/myImage/small",
            Ok(57),
        ),
        (
            "K-04 RQ-026 S-47 continue",
            "<rule OnMatch=\"continue\"><expression>shoe</expression>\
             <substitution>boot</substitution></rule>\
             <rule><expression>boot</expression><substitution>shoe?wid=58</substitution></rule>",
            "cat/shoe",
            Ok(58),
        ),
        (
            "RQ-026 S-47 break",
            "<rule><expression>shoe</expression><substitution>shoe?wid=59</substitution></rule>\
             <rule><expression>wid=59</expression><substitution>wid=60</substitution></rule>",
            "cat/shoe",
            Ok(59),
        ),
        (
            "K-05 RQ-027 S-47 error",
            "<rule OnMatch=\"error\"><expression>shoe</expression></rule>",
            "cat/shoe",
            Err(403),
        ),
        ("K-34 no rules", "", "cat/shoe?wid=61", Ok(61)),
        (
            "RQ-032 S-53 the later wins",
            "<rule OnMatch=\"continue\" MaxPix=\"10,10\"/><rule MaxPix=\"300,300\"/>",
            "cat/shoe?wid=62",
            Ok(62),
        ),
        (
            "S-53 MaxPix of a rule",
            "<rule MaxPix=\"10,10\"><expression>shoe</expression></rule>",
            "cat/shoe?wid=62",
            Err(403),
        ),
        (
            "S-50 appended to the query",
            "<rule><substitution>&amp;wid=63</substitution></rule>",
            "cat/shoe?wid=1",
            Ok(63),
        ),
        (
            "S-48 all",
            "<rule Replace=\"all\"><expression>1</expression><substitution>4</substitution></rule>",
            "cat/shoe?wid=11",
            Ok(44),
        ),
        (
            "S-48 first",
            "<rule><expression>1</expression><substitution>4</substitution></rule>",
            "cat/shoe?wid=11",
            Ok(41),
        ),
        (
            "S-58 look-around and back reference",
            r"<rule><expression>(?&lt;=wid=)(\d)\1(?!\d)</expression>
              <substitution>6$1</substitution></rule>",
            "cat/shoe?wid=55",
            Ok(65),
        ),
        (
            "other request types are skipped",
            "<rule RequestType=\"ir,static\" OnMatch=\"error\"/>",
            "cat/shoe?wid=66",
            Ok(66),
        ),
        (
            "quotation",
            r"<rule><expression>\Q?wid=(\E</expression><substitution>\?wid=67&amp;.</substitution></rule>",
            "cat/shoe?wid=(",
            Ok(67),
        ),
        (
            "POSIX class",
            r"<rule><expression>sh\p{Lower}e\?wid=\d+</expression>
              <substitution>shoe?wid=68</substitution></rule>",
            "cat/shoe?wid=1",
            Ok(68),
        ),
        (
            "L-5 step limit U-rule-regex",
            "<rule><expression>(a|a|b)+(?=c)$|(x*)*y\\2z</expression></rule>",
            "cat/shoe?wid=1&.=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
            Err(403),
        ),
        (
            "S-64 the lock switched off RQ-024",
            "<rule RequestLock=\"0\"><expression>shoe</expression></rule>",
            "cat/shoe?wid=69",
            Ok(69),
        ),
    ];
    for (row, rules, target, expected) in cases {
        let site = site("", Some(rules));
        assert_eq!(width(&site.service(), target), *expected, "{row}: {target}");
    }
    assert_eq!(cases.len(), 18);
    let locked = site("RequestLock=1\n", Some("<rule RequestLock=\"0\"/>"));
    assert_eq!(width(&locked.service(), "cat/shoe?wid=70"), Ok(70), "RQ-024");
}

#[test]
fn address_filters_of_rules_replace_the_catalogs() {
    let filtered = "ClientAddressFilter=10.0.0.0/8\n";
    let rules =
        "<rule><expression>open</expression><addressfilter>192.168.2.0/24</addressfilter></rule>";
    let site = site(filtered, Some(rules));
    let service = site.service();
    for (row, client, target, status) in [
        ("RQ-029", "10.1.2.3", "cat/shoe?wid=20", 200),
        ("RQ-029", "11.1.2.3", "cat/shoe?wid=20", 403),
        ("RQ-028 S-55", "192.168.2.9", "cat/shoe?wid=20&.open", 200),
        ("RQ-028 S-55", "192.168.3.9", "cat/shoe?wid=20&.open", 403),
        ("S-55 the rule's filter replaces the catalog's", "10.1.2.3", "cat/shoe?wid=20&.open", 403),
        ("mapped addresses", "::ffff:10.1.2.3", "cat/shoe?wid=20", 200),
    ] {
        assert_eq!(from(&service, client, target).status, status, "{row}: {client} {target}");
    }
}

#[test]
fn a_rule_does_not_lead_around_the_filter_of_another_catalog() {
    let site = Site::with("", &format!("{FIXTURE_INI}RuleSetFile=rules.xml\n"));
    site.image("a.png", png(&textured(40, 30)));
    let rule = "<rule><expression>^front/</expression><substitution>inner/</substitution></rule>";
    site.write("catalogs/rules.xml", ruleset(rule));
    let ini = "RootId=inner\nCatalogFile=inner.txt\nClientAddressFilter=10.0.0.0/8\n";
    site.write("catalogs/inner.ini", ini);
    site.write("catalogs/inner.txt", "Id\tPath\nshoe\ta.png\n");
    let service = site.service();
    assert_eq!(from(&service, "10.1.2.3", "front/shoe?wid=20").status, 200);
    assert_eq!(from(&service, "11.1.2.3", "front/shoe?wid=20").status, 403);
}

#[test]
fn the_recommended_saving_rule_opens_saving_for_its_clients_only() {
    let rules = "<rule OnMatch=\"continue\" SavePath=\"web\"><expression>^cat/shoe</expression>\
                 <addressfilter>10.1.0.0/16</addressfilter></rule>";
    let site = site("SavePath=\n", Some(rules));
    let service = site.service();
    let save = "cat/shoe?wid=20&req=saveToFile&name=s.jpg";
    let reply = from(&service, "10.1.2.3", save);
    assert_eq!(reply.status, 200, "RQ-122 S-80 rule value: {}", text(&reply));
    assert!(site.path("saved/web/s.jpg").is_file(), "RQ-122");
    assert_eq!(from(&service, "10.2.2.3", save).status, 403, "17.9.2");
    let other = from(&service, "10.1.2.3", "cat/myImage?wid=20&req=saveToFile&name=t.jpg");
    assert_eq!(other.status, 403, "K-35 S-80 no rule matches: SavePath is empty");
    assert!(!site.path("saved/web/t.jpg").exists());
}

#[test]
fn headers_of_rules_reach_good_replies_and_cannot_split_them() {
    let rules = r#"
        <rule OnMatch="continue"><expression>\$Edge-Control=</expression>
          <header Name="Edge-Control">$Edge-Control$</header></rule>
        <rule OnMatch="continue"><header Name="X-A">1</header></rule>
        <rule OnMatch="continue"><header Name="X-A" Action="add">2</header></rule>
        <rule OnMatch="continue"><header Name="X-Unknown">$nobody$</header></rule>
        <rule OnMatch="continue"><header Name="Content-Length">5</header></rule>
        <rule OnMatch="continue"><header Name="X-Accel-Redirect">/secret</header></rule>
        <rule><header Name="bad name">x</header></rule>"#;
    let site = site("", Some(rules));
    let service = site.service();
    let reply = get(&service, "cat/shoe?$Edge-Control=no-store");
    assert_eq!(reply.header("Edge-Control"), Some("no-store"), "CX-32 K-06 S-56");
    assert_eq!(reply.header("X-A"), Some("1,2"), "S-56 add appends after a comma");
    assert_eq!(reply.header("X-Unknown"), Some("$nobody$"), "U-rule-header");
    for refused in ["Content-Length", "X-Accel-Redirect", "bad name"] {
        assert_eq!(reply.header(refused), None, "{refused}");
    }
    let split = get(&service, "cat/shoe?$Edge-Control=a%0d%0aSet-Cookie:b=c");
    let value = split.header("Edge-Control");
    assert!(value.is_none_or(|value| !value.contains(['\r', '\n'])), "RQ-030 G-12: {value:?}");
    let failed = get(&service, "cat/none?$Edge-Control=no-store");
    assert_eq!(failed.header("Edge-Control"), None, "not on errors");
}

#[test]
fn default_rules_run_where_no_catalog_is_named() {
    let site = Site::with("", &format!("{FIXTURE_INI}RuleSetFile=rules.xml\n"));
    site.image("a.png", png(&textured(40, 30)));
    site.write(
        "catalogs/rules.xml",
        ruleset("<rule><substitution>&amp;wid=9</substitution></rule>"),
    );
    site.write("catalogs/cat.ini", "RootId=cat\nCatalogFile=cat.txt\n");
    site.write("catalogs/cat.txt", "Id\tPath\nshoe\ta.png\n");
    let service = site.service();
    assert_eq!(width(&service, "a.png"), Ok(9), "RQ-031 S-59");
    assert_eq!(width(&service, "cat/shoe"), Ok(40), "RQ-031 S-59: no fall-back to default rules");
}

#[test]
fn a_rule_file_that_does_not_validate_keeps_its_catalog_from_going_live() {
    for (name, rules) in [
        ("unknown element", "<rule><pathrule>x</pathrule></rule>"),
        ("unknown attribute", "<rule Color=\"1\"/>"),
        ("bad value", "<rule OnMatch=\"maybe\"/>"),
        ("bad expression", "<rule><expression>(</expression></rule>"),
        ("missing group", "<rule><expression>a</expression><substitution>$1</substitution></rule>"),
        ("not closed", "<rule>"),
        ("text between", "<rule>x</rule>"),
        ("second child", "<rule><expression>a</expression><expression>b</expression></rule>"),
        ("bad filter", "<rule><addressfilter>10.0.0.0/40</addressfilter></rule>"),
        ("entity", "<rule><expression>&x;</expression></rule>"),
    ] {
        let site = site("", Some(rules));
        let service = site.service();
        assert_eq!(get(&service, "cat/shoe?wid=20").status, 503, "S-57 {name}: never loaded");
        assert_eq!(get(&service, "a.png?wid=20").status, 200, "{name}: others go on");
        let report = imprint::catalog::check(&site.path("imprint.conf"), std::iter::empty());
        let told = report.faults.iter().find(|fault| fault.file.ends_with("rules.xml"));
        assert!(told.is_some_and(|fault| fault.line.is_some()), "{name}: {:?}", report.faults);
    }
    let site = site("", None);
    site.write("catalogs/cat.ini", format!("{SAMPLE}RuleSetFile=rules.xml\n"));
    let doctype = "<!DOCTYPE a [<!ENTITY x \"y\">]><ruleset/>";
    site.write("catalogs/rules.xml", doctype);
    assert_eq!(get(&site.service(), "cat/shoe?wid=20").status, 503, "no document types");
}
