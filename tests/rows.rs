//! Rows of the checklists that no other test states: rules, obfuscation, limits and catalogs, named after the row.

use std::time::{Duration, Instant};

use imprint::catalog::check;
use imprint::service::Service;

use crate::support::pictures::{decoded, flat, png, textured};
use crate::support::site::{FIXTURE_INI, Site, get, text};

const RECORDS: &str = "Id\tPath\tModifier\tExpiration
shoe\ta.png\t\t-2
myImage\ta.png\t\t-2
mark\tmark.png\t\t-2
long\ta.png\t\t8
short\ta.png\t\t3
myTemplate\t\tlayer=0&src=$img$\t-2
onError\t\tsize=300,300&bgc=ffffff&color=ff0000\t-2
";

const MACROS: &str = "Name\tDefinition
view\twid=240&fmt=jpeg&qlt=85&op_usm=0,2&bgc=200,200,200&align=-1,-1
";

/// A site with catalog `cat`, more attributes of it, and rules.
fn site(attributes: &str, rules: &str) -> Site {
    let site = Site::with("", &format!("{FIXTURE_INI}ErrorDetail=2\n"));
    site.image("a.png", png(&textured(400, 300)));
    site.image("mark.png", png(&flat(9, 9, [255, 0, 255])));
    site.write("catalogs/cat.txt", RECORDS);
    site.write("catalogs/macros.txt", MACROS);
    let own = "RootId=cat\nCatalogFile=cat.txt\nMacroFile=macros.txt\nRuleSetFile=rules.xml\n";
    site.write("catalogs/cat.ini", format!("{own}{attributes}"));
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ruleset>{rules}</ruleset>\n");
    site.write("catalogs/rules.xml", xml);
    site
}

/// Width of the reply, or its status.
fn width(service: &Service, target: &str) -> Result<u32, u16> {
    let reply = get(service, target);
    match reply.status {
        200 => Ok(decoded(&reply.body).size.width),
        status => Err(status),
    }
}

#[test]
fn rules_rewrite_requests() {
    let mut count = 0;
    for (row, attributes, rules, target, expected) in [
        (
            "K-07 CDATA is literal",
            "",
            "<rule><expression><![CDATA[&fmt=custom]]></expression>             <substitution><![CDATA[&wid=71]]></substitution></rule>",
            "cat/shoe?wid=1&fmt=custom",
            Ok(71),
        ),
        (
            "S-49 an escaped question mark",
            "",
            r"<rule><expression>_(\d+)$</expression><substitution>\?wid=$1</substitution></rule>",
            "cat/shoe_72",
            Ok(72),
        ),
        (
            "S-51 an empty substitution removes the match",
            "",
            "<rule><expression>_old</expression><substitution></substitution></rule>",
            "cat/shoe_old?wid=73",
            Ok(73),
        ),
        (
            "S-51 no substitution keeps it",
            "",
            "<rule><expression>_old</expression></rule>",
            "cat/shoe_old?wid=73",
            Err(403),
        ),
        (
            "S-58 a possessive quantifier gives nothing back",
            "",
            "<rule OnMatch=\"error\"><expression>7++7</expression></rule>",
            "cat/shoe?wid=77",
            Ok(77),
        ),
        (
            "S-58 a greedy quantifier does",
            "",
            "<rule OnMatch=\"error\"><expression>7+7</expression></rule>",
            "cat/shoe?wid=77",
            Err(403),
        ),
        (
            "S-64 a rule sees the decoded query",
            "RequestObfuscation=1\n",
            "<rule><expression>wid=20</expression><substitution>wid=74</substitution></rule>",
            "cat/shoe?d2lkPTIwJmZtdD1wbmc=",
            Ok(74),
        ),
        (
            "S-64 a rule disables obfuscation",
            "RequestObfuscation=1\n",
            "<rule RequestObfuscation=\"0\"><expression>shoe</expression></rule>",
            "cat/shoe?wid=75",
            Ok(75),
        ),
        (
            "S-64 for its requests only",
            "RequestObfuscation=1\n",
            "<rule RequestObfuscation=\"0\"><expression>shoe</expression></rule>",
            "cat/myImage?wid=75",
            Err(403),
        ),
        (
            "L-5 what is captured is no pattern",
            "",
            r"<rule><expression>\.x=(.+)$</expression><substitution>wid=76&amp;.=$1</substitution></rule>",
            r"cat/shoe?.x=$1\1(",
            Ok(76),
        ),
        ("K-20 CX-04 the macro alone", "", "", "cat/shoe?$view$", Ok(240)),
        ("K-20 a command behind it", "", "", "cat/shoe?$view$&wid=480", Ok(480)),
        ("K-20 a command before it", "", "", "cat/shoe?wid=480&$view$", Ok(240)),
        ("K-11 an error image", "ErrorImage=cat/onError\n", "", "cat/nowhere?wid=5", Ok(300)),
        ("K-11 a bad command", "ErrorImage=cat/onError\n", "", "cat/shoe?wid=x", Ok(300)),
    ] {
        let site = site(attributes, rules);
        assert_eq!(width(&site.service(), target), expected, "{row}: {target}");
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn rules_override_attributes_of_matched_requests() {
    let rule = "<rule Expiration=\"2\" WaterMark=\"\"><expression>[?&amp;]x</expression></rule>";
    let site = site("Watermark=mark\nExpiration=5\n", rule);
    let service = site.service();
    for (row, target, control) in [
        ("S-54 the attribute", "cat/shoe?wid=20", "public, max-age=18000"),
        ("S-54 the rule", "cat/shoe?wid=20&x", "public, max-age=7200"),
        ("S-54 the record's own value", "cat/long?wid=20&x", "public, max-age=28800"),
        (
            "S-36 the shortest of all layers",
            "cat?size=20,20&color=0&layer=1&src=long&layer=2&src=short",
            "public, max-age=10800",
        ),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.header("Cache-Control"), Some(control), "{row}: {}", text(&reply));
    }
    let plain = self::site("", "").get("cat/shoe?wid=40&fmt=png").body;
    assert!(get(&service, "cat/shoe?wid=40&fmt=png&x").body == plain, "S-53 WaterMark off");
    assert!(get(&service, "cat/shoe?wid=40&fmt=png").body != plain, "S-53 matched requests only");
}

#[test]
fn obfuscated_queries_hold_the_same_commands() {
    let rules = "<rule OnMatch=\"continue\"><header Name=\"X-Text\">$text$</header></rule>                 <rule><header Name=\"X-Txt\">$txt$</header></rule>";
    let (clear, hidden) = (site("", rules), site("RequestObfuscation=1\n", rules));
    for (row, plain, coded, header, value) in [
        (
            "CX-02 CX-03",
            "cat/shoe?wid=20&$text=rate%26weight%3D85%25%2027%23&fmt=png",
            "cat/shoe?d2lkPTIwJiR0ZXh0PXJhdGUlMjZ3ZWlnaHQlM0Q4NSUyNSAyNyMmZm10PXBuZw==",
            "X-Text",
            "rate&weight=85% 27#",
        ),
        (
            "K-22 CX-81",
            "cat/myTemplate?$txt=my%20text%20string&$img=myImage",
            "cat/myTemplate?JHR4dD1teSB0ZXh0IHN0cmluZyYkaW1nPW15SW1hZ2U=",
            "X-Txt",
            "my text string",
        ),
    ] {
        let (expected, found) = (clear.get(plain), hidden.get(coded));
        assert_eq!(expected.status, 200, "{row}: {}", text(&expected));
        assert_eq!(found.status, 200, "{row}: {}", text(&found));
        assert!(found.body == expected.body, "{row}: the same picture");
        assert_eq!(expected.header(header), Some(value), "{row} in clear");
        assert_eq!(found.header(header), Some(value), "{row}");
    }
}

#[test]
fn headers_of_rules_hold_no_line_ends() {
    let rules = "<rule><header Name=\"X-V\">a$v$b</header></rule>";
    let site = site("", rules);
    let service = site.service();
    for value in ["%0d%0aSet-Cookie:%20c=d", "%0aX:%20y", "%0d", "%00", "%c4%8ax"] {
        let reply = get(&service, &format!("cat/shoe?wid=20&$v={value}"));
        for (name, sent) in &reply.headers {
            let is_clean = !sent.as_str().contains(['\r', '\n', '\0']);
            assert!(is_clean, "RQ-030 {value}: {name:?} {sent:?}");
        }
        assert_eq!(reply.header("Set-Cookie"), None, "RQ-030 {value}");
    }
    let plain = get(&service, "cat/shoe?wid=20&$v=-");
    assert_eq!(plain.header("X-V"), Some("a-b"), "RQ-030 the variable stands there");
}

#[test]
fn costly_expressions_end_soon() {
    let many = "a".repeat(5000);
    let long = "a".repeat(1 << 20);
    for (row, expression, statuses) in [
        ("L-5 nested repetition", "(a+)+$", [200, 200]),
        ("L-5 huge repetition", "(?:a{1000}){1000}", [503, 503]),
        ("L-5 1 MB", long.as_str(), [200, 503]),
    ] {
        let site = site("", &format!("<rule><expression>{expression}</expression></rule>"));
        let begun = Instant::now();
        let status = get(&site.service(), &format!("cat/shoe?wid=20&.={many}b")).status;
        assert!(statuses.contains(&status), "{row}: {status}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{row}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_second_catalog_of_the_same_id_is_rejected() {
    let site = site("", "");
    site.write("catalogs/dog.ini", "RootId=cat\nCatalogFile=dog.txt\n");
    site.write("catalogs/dog.txt", "Id\tPath\nbone\ta.png\n");
    let service = site.service();
    assert_eq!(width(&service, "cat/shoe?wid=20"), Ok(20), "S-17 the first serves");
    assert_eq!(width(&service, "cat/bone?wid=20"), Err(403), "S-17 the second does not");
    let report = check(&site.path("imprint.conf"), std::iter::empty());
    let told = report.faults.iter().any(|fault| fault.file.ends_with("dog.ini"));
    assert!(told, "S-17: {:?}", report.faults);
}

#[test]
fn limits_of_size_are_errors() {
    let settings = "[IS]\nMaxRenderRgnPixels = 1\nMaxNonDsfSize = 2\n";
    let site = Site::with(settings, FIXTURE_INI);
    site.image("a.png", png(&flat(400, 300, [9, 9, 9])));
    site.image("big.png", png(&flat(1500, 1400, [9, 9, 9])));
    let service = site.service();
    for (row, target, expected) in [
        ("S-87 within", "a.png?wid=900", Ok(900)),
        ("S-87 MaxRenderRgnPixels", "a.png?wid=1100&hei=1100", Err(403)),
        ("S-87 MaxNonDsfSize", "big.png?wid=20", Err(403)),
    ] {
        assert_eq!(width(&service, target), expected, "{row}: {target}");
    }
}
