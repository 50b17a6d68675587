//! Settings: file and environment in, `Config` and faults out.

use super::*;

fn conf(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imprint.conf");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn the_shipped_settings_are_the_defaults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let path = folder.join("imprint.conf");
    let (config, faults) = Config::read(&path, no_env());
    assert_eq!(shown(&faults, &folder), Vec::<String>::new());
    assert_eq!(config, Config::defaults_in(&folder));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut count = 0;
    for (section, name) in Config::setting_names() {
        let part = text.split(&format!("\n[{section}]\n")).nth(1).unwrap();
        let part = part.split("\n[").next().unwrap();
        assert!(part.contains(&format!("\n{name} =")), "[{section}] {name} is not in imprint.conf");
        count += 1;
    }
    assert!(count > 77, "{count}");
}

#[test]
fn k_26_an_empty_configuration_holds_the_documented_defaults() {
    let (folder, path) = conf("");
    let config = Config::load(&path, no_env()).unwrap();
    assert_eq!(config, Config::defaults_in(folder.path()));
    assert_eq!(config.is.root_paths, Vec::<PathBuf>::new());
    assert_eq!(config.is.save_directory, None);
    assert_eq!(config.is.max_save_pixels, 100_000_000);
    assert_eq!(config.is.max_render_rgn_pixels, 16_000_000);
    assert_eq!(config.is.max_non_dsf_pixels, 200_000_000);
    assert_eq!(config.is.physical_memory, Memory::Percent(20));
    assert_eq!(config.ps.save_to_file.save_timeout, Duration::from_millis(60_000));
    assert_eq!(config.ps.save_to_file.max_timeout, Duration::from_millis(600_000));
    assert_eq!(config.ps.cache.max_bytes, 1_073_741_824);
    assert_eq!(config.cs.root_path, folder.path().join("catalogs"));
    assert_eq!(config.cs.modification_wait_time, Duration::from_millis(5000));
    assert_eq!(config.imprint.missing_status, 403);
    assert_eq!(config.imprint.json_error_status, 200);
    assert!(config.ps.allow_default_catalog_requests);
}

#[test]
fn settings_are_read_by_section_and_name_without_case() {
    let (folder, path) = conf(
        "\u{feff}# comment\r\n; comment\r\n[imageserver]\r\nrootpath = a; /b ;\r\nSAVEDIRECTORY=\"saved\"\r\n\
         PhysicalMemory = 512M\r\n[PS]\r\nsaveToFile.suffixes=*\r\nsavetofile.DURABILITY=rename\r\n\
         saveToFile.mode=640\r\ncatalog.rootPath=cat\r\n[IMPRINT]\r\nlisten=unix:run/s; 127.0.0.1:9000;[::1]:9001\r\n\
         sendfile=X-Accel\r\ntrustedProxies=10.0.0.0/8, ::1\r\nallowedPeers=127.0.0.1\r\n",
    );
    let config = Config::load(&path, no_env()).unwrap();
    let folder = folder.path();
    assert_eq!(config.is.root_paths, vec![folder.join("a"), PathBuf::from("/b")]);
    assert_eq!(config.is.save_directory, Some(folder.join("saved")));
    assert_eq!(config.is.physical_memory, Memory::Bytes(512 << 20));
    assert_eq!(config.ps.save_to_file.suffixes, imprint::config::Suffixes::Any);
    assert_eq!(config.ps.save_to_file.durability, Durability::Rename);
    assert_eq!(config.ps.save_to_file.mode, 0o640);
    assert_eq!(config.cs.root_path, folder.join("cat"));
    let tcp = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
    let listen =
        vec![Address::Unix(folder.join("run/s")), tcp("127.0.0.1", 9000), tcp("::1", 9001)];
    assert_eq!(config.imprint.listen, listen);
    assert_eq!(config.imprint.sendfile, Sendfile::XAccel);
    assert!(config.imprint.trusted_proxies.allows([10, 9, 8, 7].into()));
    assert!(!config.imprint.trusted_proxies.allows([11, 9, 8, 7].into()));
    assert_eq!(config.imprint.allowed_peers, vec![std::net::IpAddr::from([127, 0, 0, 1])]);
}

#[test]
fn s_93_both_spellings_of_a_setting_work() {
    let mut count = 0;
    for (text, read) in [
        (
            "[PS]\nallowDefaultCatalogRequsts=false",
            (|c| !c.ps.allow_default_catalog_requests) as fn(&Config) -> bool,
        ),
        ("[PS]\nallowDefaultCatalogRequests=false", |c| !c.ps.allow_default_catalog_requests),
        ("[IS]\nSvgMAxRenderRgnPixels=9", |c| c.is.svg_max_render_rgn_pixels == 9_000_000),
        ("[IS]\nRootPaths=/x", |c| c.is.root_paths == [PathBuf::from("/x")]),
        ("[ImageServer]\nSaveDirectory=/x", |c| {
            c.is.save_directory.as_deref() == Some(Path::new("/x"))
        }),
        ("[PlatformServer]\ncatalog.rootPath=/x", |c| c.cs.root_path == Path::new("/x")),
        ("[PS]\nCatalogFolder=/x", |c| c.cs.root_path == Path::new("/x")),
        ("[CS]\nCatalogCacheFolder=/x", |c| c.cs.cache_root == Path::new("/x")),
        ("[PlatformServer]\ncache.maxSize=7", |c| c.ps.cache.max_bytes == 7),
        ("[PS]\nResponseCacheFolders=/x;/y", |c| c.ps.cache.root_paths.len() == 2),
        ("[PS]\nLogFolder=/x", |c| c.tc.directory == Path::new("/x")),
        ("[PS]\nLogDays=3", |c| c.tc.max_days == 3),
        ("[PS]\nSaveTimeout=5", |c| c.ps.save_to_file.save_timeout == Duration::from_millis(5)),
        ("[PS]\nstaticContent.rootPath=/x", |c| {
            c.ps.static_content_root_paths == [PathBuf::from("/x")]
        }),
    ] {
        let (_folder, path) = conf(text);
        let config = Config::load(&path, no_env());
        assert!(config.as_ref().is_ok_and(read), "{text}: {config:?}");
        count += 1;
    }
    assert_eq!(count, 14);
}

#[test]
fn settings_without_counterpart_are_noted() {
    let (folder, path) = conf(
        "[IS]\nTcpPort=27345\n[TC]\nkeystorePass=x\n[SVG]\nSVGRender.port=1\n[SV]\nlog=a\n[IS]\nLogFile=a\n",
    );
    let (_, faults) = Config::read(&path, no_env());
    assert_eq!(
        shown(&faults, folder.path()),
        [
            "imprint.conf:2: note: TcpPort is not used: it has no counterpart here",
            "imprint.conf:4: note: keystorePass is not used: it belongs to the web server",
            "imprint.conf:6: note: SVGTcpPort is not used: it has no counterpart here",
            "imprint.conf:8: note: log is not used: it has no counterpart here",
            "imprint.conf:10: note: Log is not used: image processing is reported in the trace log",
        ]
    );
    assert!(Config::load(&path, no_env()).is_ok());
}

#[test]
fn every_fault_of_the_settings_is_told_with_its_line() {
    let (folder, path) = conf(
        "RootPath=x\n[IS]\nRotPath=x\nMaxSavePixels=0\nMaxSavePixels=1e3\nWorkerThreads=-1\nno value\n[nope]\n\
         a=1\n[PS]\nsaveToFile.overwrite=maybe\nsaveToFile.mode=0755\nsaveToFile.saveTimeout=700000\n\
         [imprint]\nprefix.image=is/image\nmissingStatus=200\nlisten=*:80\ntrustedProxies=10.0.0.300\n[IS\n\
         PhysicalMemory=95\n",
    );
    let faults = Config::load(&path, no_env()).unwrap_err();
    assert_eq!(
        shown(&faults, folder.path()),
        [
            "imprint.conf:7: error: found no value, expected name=value",
            "imprint.conf:19: error: found [IS, expected [section]",
            "imprint.conf:1: error: RootPath stands in section [], expected [IS], [PS], [CS], [TC] or [imprint]",
            "imprint.conf:3: error: found RotPath, expected a setting of section [IS]",
            "imprint.conf:4: error: MaxSavePixels is 0, expected a whole number of millions, 1 to 1000000",
            "imprint.conf:5: warning: MaxSavePixels is set again; the last one counts",
            "imprint.conf:5: error: MaxSavePixels is 1e3, expected a whole number of millions, 1 to 1000000",
            "imprint.conf:6: error: WorkerThreads is -1, expected a whole number, 0 to 1024",
            "imprint.conf:9: error: a stands in section [nope], expected [IS], [PS], [CS], [TC] or [imprint]",
            "imprint.conf:11: error: saveToFile.overwrite is maybe, expected true or false",
            "imprint.conf:12: error: saveToFile.mode is 0755, expected permission bits in octal, such as 0600 or 0666",
            "imprint.conf:15: error: prefix.image is is/image, expected a URL path such as /is/image",
            "imprint.conf:16: error: missingStatus is 200, expected 403 or 404",
            "imprint.conf:17: error: listen is *:80, expected unix:/path, host:port or [v6]:port, several separated by ;",
            "imprint.conf:18: error: trustedProxies is 10.0.0.300, expected IPv4 or IPv6 addresses, optionally with /bits, separated by commas",
            "imprint.conf:20: error: found PhysicalMemory, expected a setting of section [imprint]",
            "imprint.conf: error: saveToFile.saveTimeout is longer than saveToFile.maxTimeout",
        ]
    );
}

#[test]
fn the_process_environment_wins_over_the_file() {
    let (folder, path) = conf("[IS]\nSaveDirectory=saved\nMaxSavePixels=5\n");
    let variables = env(&[
        ("IMPRINT_IS_SAVEDIRECTORY", "other"),
        ("IMPRINT_PS_SAVETOFILE_SAVETIMEOUT", "10"),
        ("IMPRINT_IMPRINT_PREFIX_IMAGE", "/i"),
        ("IMPRINT_CONFIG", "/nowhere"),
        ("IMPRINT_CORPUS", "/nowhere"),
        ("PATH", "/bin"),
    ]);
    let config = Config::load(&path, variables).unwrap();
    assert_eq!(config.is.save_directory, Some(folder.path().join("other")));
    assert_eq!(config.is.max_save_pixels, 5_000_000);
    assert_eq!(config.ps.save_to_file.save_timeout, Duration::from_millis(10));
    assert_eq!(config.imprint.prefix_image, "/i");
    // G-8: names of settings alone, as a request might carry them, mean nothing.
    let same = Config::load(
        &path,
        env(&[("SaveDirectory", "/x"), ("IMPRINT_CONF", "/x"), ("TMPDIR", "/x")]),
    );
    assert_eq!(same.unwrap(), Config::load(&path, no_env()).unwrap());
    let faults =
        Config::load(&path, env(&[("IMPRINT_IS_SAVEDIR", "x"), ("IMPRINT_PS_SAVETIMEOUT", "x")]));
    assert_eq!(
        shown(&faults.unwrap_err(), folder.path()),
        [
            "IMPRINT_IS_SAVEDIR: error: expected a setting of section [IS]",
            "IMPRINT_PS_SAVETIMEOUT: error: saveToFile.saveTimeout is x, expected a whole number of milliseconds, 1 to 86400000",
        ]
    );
}

#[test]
fn the_settings_file_is_found_in_its_order() {
    let (folder, path) = conf("");
    let binary = folder.path().join("imprint");
    let given = Path::new("/given.conf");
    let named = || env(&[("IMPRINT_CONFIG", "/named.conf")]);
    assert_eq!(Config::find(Some(given), named(), Some(&binary)), Some(given.to_owned()));
    assert_eq!(Config::find(None, named(), Some(&binary)), Some(PathBuf::from("/named.conf")));
    assert_eq!(Config::find(None, env(&[("IMPRINT_CONFIG", "")]), Some(&binary)), Some(path));
}

#[test]
fn a_settings_file_that_cannot_be_read_is_an_error() {
    let (folder, path) = conf("");
    assert!(Config::load(&folder.path().join("none.conf"), no_env()).is_err());
    std::fs::write(&path, b"[IS]\n\nRootPath=\xff\n").unwrap();
    let faults = Config::load(&path, no_env()).unwrap_err();
    assert_eq!(shown(&faults, folder.path()), ["imprint.conf: error: line 3 is not UTF-8"]);
    std::fs::write(&path, "[IS]\nSaveDirectory=/\n").unwrap();
    let (config, faults) = Config::read(&path, no_env());
    assert_eq!(config.is.save_directory, None);
    assert_eq!(faults.first().map(|fault| fault.severity), Some(Severity::Warning));
}

#[test]
fn address_filters_compare_prefixes() {
    let mut count = 0;
    for (name, filter, address, expected) in [
        ("K-09 CX-33 all", "0.0.0.0/0", "8.8.8.8", true),
        ("K-09 CX-34 inside", "192.0.0.0/8", "192.1.2.3", true),
        ("K-09 CX-34 outside", "192.0.0.0/8", "193.1.2.3", false),
        ("K-08 CX-35 first", "192.168.12.0/23", "192.168.12.0", true),
        ("K-08 CX-35 last", "192.168.12.0/23", "192.168.13.255", true),
        ("K-08 CX-35 behind", "192.168.12.0/23", "192.168.14.0", false),
        ("K-09 CX-36 bare", "192.168.2.117", "192.168.2.117", true),
        ("K-09 CX-36 bare, other", "192.168.2.117", "192.168.2.118", false),
        ("K-09 CX-36 /32", "192.168.2.117/32", "192.168.2.117", true),
        ("K-09 CX-36 /32, other", "192.168.2.117/32", "192.168.2.116", false),
        ("W-5 mapped peer is IPv4", "10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("W-5 mapped entry is IPv4", "::ffff:10.0.0.0/104", "10.1.2.3", true),
        ("all IPv4 does not hold IPv6", "0.0.0.0/0", "2001:db8::1", false),
        ("IPv6 inside", "2001:db8::/32", "2001:db8:1::1", true),
        ("IPv6 outside", "2001:db8::/32", "2001:db9::1", false),
        ("all IPv6", "::/0", "fe80::1", true),
        ("S-60 several", "10.0.0.0/8 , 127.0.0.1", "127.0.0.1", true),
        ("a bad entry matches nothing", "10.0.0.0/33,x", "10.0.0.1", false),
        ("a bad entry leaves the others", "x,10.0.0.0/8", "10.0.0.1", true),
        ("signs are no digits", "10.0.0.0/+8", "10.0.0.1", false),
        ("an empty list holds nobody", "", "10.0.0.1", false),
    ] {
        let (filter, _) = AddressFilter::parse(filter);
        assert_eq!(filter.allows(address.parse().unwrap()), expected, "{name}");
        count += 1;
    }
    assert_eq!(count, 21);
    assert_eq!(AddressFilter::parse("x, 10.0.0.0/40, 1.2.3.4").1.len(), 2);
    assert!(AddressFilter::everyone().allows("2001:db8::1".parse().unwrap()));
}

#[test]
fn listen_addresses_are_read_and_shown() {
    let mut count = 0;
    for (text, expected) in [
        ("unix:/run/a.sock", true),
        ("127.0.0.1:9000", true),
        ("localhost:1", true),
        ("[::1]:65535", true),
        ("unix:", false),
        ("localhost", false),
        ("::1:9000", false),
        ("[::1]", false),
        ("localhost:0", false),
        ("localhost:65536", false),
        ("localhost:+1", false),
        (":9000", false),
        ("[localhost]:1", false),
    ] {
        let parsed = Address::parse(text);
        assert_eq!(parsed.is_ok(), expected, "{text}");
        if let Ok(address) = parsed {
            assert_eq!(address.to_string(), text);
        }
        count += 1;
    }
    assert_eq!(count, 13);
}
