//! `https`: whom it trusts.

use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::*;

/// A certificate for `name` with its key.
fn certificate(name: &str) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate")
}

fn served(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Origin {
    let key = PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a certificate and its key");
    let config = Arc::new(config);
    Origin::raw(move |stream| {
        let mut session = ServerConnection::new(config.clone()).expect("a session");
        let mut tls = Stream::new(&mut session, stream);
        let mut asked = [0; 4096];
        if tls.read(&mut asked).is_ok_and(|count| count > 0) {
            let _ = tls.write_all(&reply("200 OK", "", &picture()));
            session.send_close_notify();
            let _ = session.write_tls(stream);
        }
    })
}

#[test]
fn a_server_is_trusted_by_its_authority_and_its_name() {
    let (own, other) = (certificate("pictures.test"), certificate("elsewhere.test"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a new file");
        Some(path)
    };
    let own_file = file("own.pem", &own.cert.pem());
    let both = file("both.pem", &format!("{}{}", other.cert.pem(), own.cert.pem()));
    let other_file = file("other.pem", &other.cert.pem());
    let mut count = 0;
    for (name, served_by, authorities, is_trusted) in [
        ("its own authority", &own, &own_file, true),
        ("among others", &own, &both, true),
        ("the system's alone", &own, &None, false),
        ("another authority", &own, &other_file, false),
        ("another name", &other, &both, false),
    ] {
        let origin = served(served_by);
        let host = format!("pictures.test:{}", origin.port);
        let resolver: Resolver = Arc::new(|_| Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]));
        let settings = RemoteSettings { authorities: authorities.clone(), ..settings(&[&host]) };
        let remote = Remote::with_resolver(settings, resolver).expect("a client");
        match fetch(&remote, &format!("https://{host}/a.png")) {
            Ok(image) => assert!(is_trusted && bytes(&image) == picture(), "{name}"),
            Err(error) => {
                assert!(!is_trusted, "{name}: {error}");
                assert_eq!(error.kind(), Kind::Unreadable, "{name}: {error}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn authorities_that_cannot_be_used_are_told_at_the_start() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").expect("a new file");
    let broken = folder.path().join("broken.pem");
    let text = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    std::fs::write(&broken, text).expect("a new file");
    for path in [empty, broken, folder.path().join("missing.pem")] {
        let settings = RemoteSettings { authorities: Some(path.clone()), ..settings(&[]) };
        let (kind, detail) = failure(Remote::new(settings));
        assert_eq!(kind, Kind::Internal, "{detail}");
        assert!(detail.contains("remoteAuthorities"), "{detail}");
    }
}
