//! Logins: how they are sent, to whom, and what an error says about them.

use super::*;

/// A registry that asks for a login, and the client's answer to it.
pub(super) async fn logged_in(
    world: World,
    login: Login,
    test: impl AsyncFnOnce(&Shared, Result<(), Error>),
) {
    let world = World { login: world.login, ..world };
    with_registry(world, async |world, host| {
        world.lock().unwrap().add_image("a/b", "v1", &[]);
        let lookup = move |_: &str| {
            let credential = Credential { login: login.clone(), origin: "FILE".to_owned() };
            async move { Ok(Some(credential)) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        let answer = client.manifest(&repository(&host), Reference::Tag("v1")).await.map(|_| ());
        test(&world, answer).await;
    })
    .await;
}

#[tokio::test]
async fn each_kind_of_login_is_sent_as_its_registry_asks_for_it() {
    let (password, identity) = (testing::Login::Basic("dTpw"), testing::Login::Identity("r%2Bt"));
    let with_password = || Login::Password("dTpw".to_owned().into());
    let cases: [(bool, Option<testing::Login>, Login); 5] = [
        (false, Some(password), with_password()),
        (true, Some(password), with_password()),
        (true, Some(identity), Login::IdentityToken("r+t".to_owned().into())),
        (true, None, Login::RegistryToken("t0".to_owned().into())),
        // The registry does not require it.
        (false, None, with_password()),
    ];
    for (wants_token, login, ours) in cases {
        let world = World { wants_token, login, ..World::default() };
        logged_in(world, ours, async |world, answer| {
            answer.unwrap();
            assert_eq!(count(world, &["/manifests/"]), 1 + usize::from(login.is_some()));
        })
        .await;
    }
}

#[tokio::test]
async fn a_registry_that_hides_from_anonymous_requests_gets_our_login() {
    let login = Some(testing::Login::Basic("dTpw"));
    for wants_token in [false, true] {
        let world = World { wants_token, login, hides: true, ..World::default() };
        logged_in(world, Login::Password("dTpw".to_owned().into()), async |world, answer| {
            answer.unwrap();
            assert_eq!((count(world, &["GET /v2/ "]), count(world, &["/manifests/"])), (1, 2));
        })
        .await;
    }
    // Whatever it hides, it is looked for once.
    with_registry(World::default(), async |world, host| {
        let lookup = |_: &str| {
            let login = Login::Password("dTpw".to_owned().into());
            async move { Ok(Some(Credential { login, origin: "FILE".to_owned() })) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        for tag in ["v1", "v2"] {
            let error = client.manifest(&repository(&host), Reference::Tag(tag)).await.unwrap_err();
            assert!(error.to_string().contains("not found in"), "{error}");
        }
        assert_eq!((count(&world, &["GET /v2/ "]), count(&world, &["/manifests/"])), (1, 2));
    })
    .await;
}

#[tokio::test]
async fn the_error_says_what_the_registry_thought_of_our_login() {
    for wants_token in [false, true] {
        let login = Some(testing::Login::Basic("b3RoZXI="));
        let world = World { wants_token, login, ..World::default() };
        logged_in(world, Login::Password("dTpw".to_owned().into()), async |world, answer| {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("(the login from FILE was rejected): check the name"), "{error}");
            assert_eq!(count(world, &["/manifests/"]), if wants_token { 1 } else { 2 });
        })
        .await;
    }
    let login = Some(testing::Login::Basic("dTpw"));
    let world = World { wants_token: true, is_read_only: true, login, ..World::default() };
    with_registry(world, async |_, host| {
        let lookup = |_: &str| {
            let login = Login::Password("dTpw".to_owned().into());
            async move { Ok(Some(Credential { login, origin: "FILE".to_owned() })) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        let error = client.start_upload(&repository(&host)).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with("/a/b: the login from FILE may not push to it"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_token_service_on_another_port_of_the_same_host_gets_our_login() {
    // Docker allows it, and a registry on a laptop often has its token service beside it.
    let login = Some(testing::Login::Basic("dTpw"));
    let world = || World { wants_token: true, login, ..World::default() };
    with_registry(world(), async |service, _| {
        let token_port = Some(service.lock().unwrap().port);
        let registry = World { token_port, ..world() };
        logged_in(registry, Login::Password("dTpw".to_owned().into()), async |registry, answer| {
            answer.unwrap();
            assert_eq!((count(registry, &["/token"]), count(&service, &["/token"])), (0, 1));
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_rate_limit_says_whether_our_login_was_used() {
    let limited = |path| vec![(path, StatusCode::TOO_MANY_REQUESTS, "0"); 9];
    let is_with_login = |result: Result<_, Error>| match result.map(|_: Fetched| ()) {
        Err(Error::RateLimited { with_login, .. }) => with_login,
        other => panic!("{other:?}"),
    };
    let world =
        || World { wants_token: true, login: Some(testing::Login::Basic("dTpw")), ..World::default() };
    for (has_login, faults, expected) in [
        // The first request is made without a login.
        (true, limited("/manifests/"), [true, false]),
        (true, limited("/token"), [true, true]),
        (false, limited("/manifests/"), [false, false]),
    ] {
        let world = if has_login { world() } else { World { login: None, ..world() } };
        with_registry(world, async |world, host| {
            world.lock().unwrap().add_image("a/b", "v1", &[]);
            let lookup = move |_: &str| {
                let login = Login::Password("dTpw".to_owned().into());
                let credential = Credential { login, origin: "FILE".to_owned() };
                async move { Ok(has_login.then_some(credential)) }.boxed()
            };
            let client = || client().with_credentials(Box::new(lookup));
            let (known, repository) = (client(), repository(&host));
            known.manifest(&repository, Reference::Tag("v1")).await.unwrap();
            world.lock().unwrap().faults = limited("/manifests/");
            let later = is_with_login(known.manifest(&repository, Reference::Tag("v1")).await);
            world.lock().unwrap().faults = faults;
            let first = is_with_login(client().manifest(&repository, Reference::Tag("v1")).await);
            assert_eq!([later, first], expected);
        })
        .await;
    }
}

#[tokio::test]
async fn a_login_is_sent_to_no_other_host_and_the_error_says_so() {
    let password = || Login::Password("dTpw".to_owned().into());
    let identity = || Login::IdentityToken("t".to_owned().into());
    for ours in [password(), identity()] {
        let login = Some(testing::Login::Basic("dTpw"));
        let world = World { wants_token: true, login, token_host: Some("localhost"), ..World::default() };
        logged_in(world, ours, async |world, answer| {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("the login from FILE was not sent to localhost"), "{error}");
            assert_eq!(world.lock().unwrap().leaked, Vec::<String>::new());
        })
        .await;
    }
    let world =
        World { wants_token: true, login: Some(testing::Login::Basic("b3RoZXI=")), ..World::default() };
    logged_in(world, password(), async |_, answer| {
        let error = answer.unwrap_err().to_string();
        assert!(
            error.contains("(the login from FILE was rejected): check the name, or log in again"),
            "{error}"
        );
        assert!(error.contains("`docker login 127.0.0.1:"), "{error}");
    })
    .await;
    // Blobs are redirected to another origin.
    let world = World { login: Some(testing::Login::Basic("dTpw")), redirects: true, ..World::default() };
    with_registry(world, async |world, host| {
        let digest = world.lock().unwrap().add_blob("a/b", b"layer");
        let lookup = move |_: &str| {
            let login = Login::Password("dTpw".to_owned().into());
            async move { Ok(Some(Credential { login, origin: "FILE".to_owned() })) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        client.blob(&repository(&host), &digest, 5).await.unwrap();
        assert_eq!(world.lock().unwrap().leaked, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn without_its_login_public_content_is_read() {
    with_registry(World { wants_token: true, ..World::default() }, async |world, host| {
        world.lock().unwrap().add_image("a/b", "v1", &[]);
        let lookup = |_: &str| {
            let message = "FILE (docker-credential-x could not be run)".to_owned();
            let error = CredentialError { message, consequence: Consequence::Anonymous };
            async move { Err(error) }.boxed()
        };
        let client = client().with_credentials(Box::new(lookup));
        client.manifest(&repository(&host), Reference::Tag("v1")).await.unwrap();
        world.lock().unwrap().login = Some(testing::Login::Basic("dTpw"));
        world.lock().unwrap().token += 1;
        let error = client.manifest(&repository(&host), Reference::Tag("v1")).await.unwrap_err().to_string();
        assert!(error.contains("its login was not found: FILE (docker-credential-x"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_namespace_may_have_a_login_of_its_own() {
    let world = World { wants_token: true, ..World::default() };
    with_registry(world, async |world, host| {
        let lookups = Arc::new(Mutex::new(Vec::new()));
        let lookup = {
            let lookups = Arc::clone(&lookups);
            move |name: &str| {
                lookups.lock().unwrap().push(name.to_owned());
                async move { Ok(None) }.boxed()
            }
        };
        let namespaces = ["a", "a/b", "b/team"].map(|path| format!("{host}/{path}"));
        let client = client().with_credentials(Box::new(lookup)).with_namespaces(namespaces.to_vec());
        for path in ["a/b", "a/bc", "b/team/x", "b/teams", "c"] {
            world.lock().unwrap().add_image(path, "v1", &[]);
            let repository = Repository { host: host.clone(), path: path.to_owned() };
            client.manifest(&repository, Reference::Tag("v1")).await.unwrap();
        }
        let names = [&namespaces[1], &namespaces[0], &namespaces[2], &host];
        let names: Vec<_> = names.into_iter().cloned().collect();
        assert_eq!(*lookups.lock().unwrap(), names, "the most specific one, each once");
    })
    .await;
}
