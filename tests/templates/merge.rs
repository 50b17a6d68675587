//! Which texts take part and in which order (requests.md 10): templates, records of layers, PostModifiers, scopes.

use super::*;

/// The merged request of a target.
fn resolved(service: &imprint::service::Service, target: &str) -> String {
    let separator = if target.contains('?') { '&' } else { '?' };
    let reply = get(service, &format!("{target}{separator}req=resolve"));
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    text(&reply)
}

#[test]
fn texts_merge_by_their_precedence() {
    let site = site();
    let service = site.service();
    for (name, target, expected) in [
        ("RQ-064 S-37", "shop/lake?qlt=90", "shop/lake?qlt=90"),
        ("RQ-064 wherever it stands", "shop/lake?qlt=90&wid=5", "shop/lake?qlt=90&wid=5"),
        ("RQ-065 S-37", "shop/post?qlt=90", "shop/post?qlt=33"),
        (
            "RQ-066 S-38",
            "shop?size=9,9&color=0&layer=1&src=post",
            "shop?layer=0&size=9%2C9&color=0&layer=1&src=post",
        ),
        ("PostModifier of the record of layer 0", "shop?src=post", "shop?qlt=33&layer=0&src=post"),
        ("Modifier of a record in src=", "shop?src=small", "shop?layer=0&size=20%2C20&src=small"),
        (
            "RQ-070 segments merge",
            "shop?size=9,9&layer=1&pos=1,1&layer=0&color=0&layer=1&pos=2,2&src=red",
            "shop?layer=0&size=9%2C9&color=0&layer=1&pos=2%2C2&src=red",
        ),
        ("RQ-073 the last source", "shop?src=red&text=a", "shop?layer=0&text=a"),
        ("RQ-073 the other way", "shop?text=a&src=red", "shop?layer=0&src=red"),
        (
            "RQ-060 RQ-067 template",
            "shop/blue?template=card&$x=5",
            "shop/blue?template=card&qlt=44&layer=0&size=100%2C100&color=ffffff\
             &layer=1&src=blue&size=40%2C40&pos=5%2C0",
        ),
        (
            "RQ-071 scope reset",
            "shop/card?bgColor=123456",
            "shop/card?layer=0&size=100%2C100&color=ffffff&bgColor=123456\
             &layer=1&src=blue&size=40%2C40&pos=0%2C0",
        ),
        (
            "RQ-072 named layer",
            "shop/x?template=named&layer=logo&src=blue",
            "shop/x?template=named&layer=0&size=100%2C100&color=ffffff&layer=2&size=20%2C20&src=blue",
        ),
        (
            "RQ-068 PostModifier of the template is ignored",
            "shop/lake?template=named",
            "shop/lake?template=named&layer=0&size=100%2C100&color=ffffff&layer=2&src=red&size=20%2C20",
        ),
        (
            "RQ-061 object in a template",
            "shop/red?template=whole",
            "shop/red?template=whole&layer=0&src=shop/red&size=80%2C0&extend=0%2C10%2C20%2C10\
             &bgColor=00ff00",
        ),
        (
            "CX-10",
            "shop/red?layer=0&src=is{x?src=$object$}",
            "shop/red?layer=0&src=is{x?src=shop/red}",
        ),
        (
            "CX-07 K-21",
            "shop/red?$var2=apple&$var1=my$var2$tree&text=$var1$",
            "shop/red?layer=0&text=my%24var2%24tree",
        ),
    ] {
        let found = resolved(&service, target).replace("%2C", ",");
        assert_eq!(found, expected.replace("%2C", ","), "{name}: {target}");
    }
}

#[test]
fn what_a_template_must_not_do_is_refused() {
    let site = site();
    site.write(
        "catalogs/bad.txt",
        "Id\tPath\tModifier\tPostModifier\npost\tred.png\t\ttemplate=shop/card\n\
         inside\t\ttemplate=shop/card\t\nplain\tred.png\t\t\n",
    );
    site.write("catalogs/bad.ini", "RootId=bad\nCatalogFile=bad.txt\n");
    let service = site.service();
    for (name, target) in [
        ("RQ-069 template in src=", "shop?src=card"),
        ("RQ-069 template in src= of a layer", "shop?size=9,9&color=0&layer=1&src=card"),
        ("RQ-069 record whose Modifier has src=", "shop?src=chained"),
        ("U-template-empty missing", "shop/red?template=nowhere"),
        ("U-template-empty no Modifier", "shop/red?template=red"),
        ("U-template-empty a file", "shop/red?template=q.png"),
        ("template= in PostModifier", "bad/post"),
        ("template= in a Modifier", "bad/inside"),
        ("RQ-072 duplicate name", "shop/red?layer=1,a&layer=2,a"),
        ("RQ-072 unknown name", "shop/red?layer=a"),
        ("RQ-059 RQ-072", "shop/red?$n=1&layer=$n$"),
        ("CX-74", "shop/red?layer=1,image&layer=2,image"),
        ("CX-74 unknown", "shop/red?layer=1,image&layer=picture"),
        ("RQ-154 no image", "shop"),
        ("CX-09 S-39", "shop/red?wid=$number$"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
    }
    assert_eq!(get(&service, "shop/red?layer=1,image&layer=1,image").status, 200, "CX-74");
    assert_eq!(get(&service, "shop/red?template=").status, 200, "U-template-empty");
}

#[test]
fn templates_draw_what_their_variables_name() {
    let site = site();
    let service = site.service();
    let (blue, red, white) = ([0, 0, 255], [255, 0, 0], [255, 255, 255]);
    for (name, target, spot, expected) in [
        ("defaults", "shop/card?fmt=png", (50, 50), blue),
        ("RQ-060 URL overrides", "shop/card?$img=red&fmt=png", (50, 50), red),
        ("moved", "shop/card?$img=red&$x=30&fmt=png", (50, 50), white),
        ("template=", "shop/red?template=card&$img=$object$&fmt=png", (50, 50), blue),
        ("U-template-path a missing object", "shop/nothing?template=card&fmt=png", (50, 50), blue),
        ("object as layer", "shop/red?template=whole&fmt=png", (40, 50), red),
        ("its margin", "shop/red?template=whole&fmt=png", (90, 50), [0, 255, 0]),
    ] {
        let reply = get(&service, target);
        if name == "template=" {
            // A reference within the value of a variable is not replaced, so it names no record.
            assert_eq!(reply.status, 403, "{name}");
            continue;
        }
        assert_pixel(&picture(&reply, name), spot, &expected, name);
    }
    let whole = picture(&get(&service, "shop/lake?template=whole&fmt=png&scl=1"), "CX-64");
    assert_eq!(whole.size, (100, 80).into(), "CX-64: 80·300/400 + 20 high, 80 + 20 wide");
    let three = "shop?layer=0&src=lake&layer=1&src=red&layer=2&src=blue&size=20,20&wid=200&fmt=png";
    let three = picture(&get(&service, three), "CX-42 K-17");
    assert_eq!(three.size, (200, 150).into(), "CX-42");
    assert_pixel(&three, (100, 75), &blue, "CX-42 K-17 the highest layer");
    assert_pixel(&three, (88, 75), &red, "CX-42 K-17 the one below");
    assert_pixel(&three, (10, 10), &red, "CX-42 K-17 layer 0");
    for target in ["shop?src=/other/red&fmt=png", "shop?src=other/red&fmt=png"] {
        assert_pixel(&picture(&get(&service, target), "CX-44 K-19"), (5, 5), &blue, "CX-44 K-19");
    }
    let sized = "shop/lake?&hei=100&layer=1&src=red&size=30,30&qlt=90&fmt=png";
    assert_eq!(picture(&get(&service, sized), "CX-65").size, (133, 100).into(), "CX-65");
}
