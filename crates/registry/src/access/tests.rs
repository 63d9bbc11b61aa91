use super::*;

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn account(scopes: &[&str]) -> Caller {
    let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
    Caller(Standing::Account(Account { name: "alice".into(), token: "0".into() }, scopes.into()))
}

fn session(scopes: &[&str]) -> Caller {
    account(&["acme/*:*"]).in_session(scopes.iter().map(|scope| scope.parse().unwrap()).collect(), true)
}

/// Everybody reads what is not `acme`'s, as the operator says, and `owned`'s, as its owners say.
fn rules() -> Rules<'static> {
    static ACCESS: std::sync::LazyLock<Access> = std::sync::LazyLock::new(|| Access {
        anonymous: [Action::Pull].into_iter().collect(),
        private: vec!["acme/*".parse().unwrap()],
    });
    Rules::new(&ACCESS, Arc::new(["owned".parse().unwrap()].into()))
}

#[test]
fn scopes_are_read_as_they_are_written_and_nothing_else_is() {
    for text in ["*:*", "acme/*:pull", "acme/hello:pull,push", "acme/a/b:*", "acme:push,delete", "*:pull"] {
        assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "acme",
        "acme:",
        ":pull",
        "acme/*",
        "acme/*:",
        "acme/x/*:pull",
        "Acme:pull",
        "acme:read",
        "acme/**:pull",
        "acme:pull,",
        "acme:pull:push",
        "acme:pull, push",
        "../x:pull",
    ] {
        assert!(text.parse::<Scope>().is_err(), "{text}");
    }
    assert_eq!("x:delete,pull,pull".parse::<Scope>().unwrap().to_string(), "x:pull,delete");
}

#[test]
fn names_cover_what_they_say_and_no_neighbour() {
    let cases = [
        ("*", "acme/hello", true),
        ("acme/*", "acme/hello", true),
        ("acme/*", "acme/a/b", true),
        ("acme/*", "acme", true),
        ("acme/*", "acme2/hello", false),
        ("acme/*", "x/acme/hello", false),
        ("acme/hello", "acme/hello", true),
        ("acme/hello", "acme/hello2", false),
        ("acme/hello", "acme/hello/x", false),
    ];
    for (names, asked, covered) in cases {
        assert_eq!(names.parse::<Names>().unwrap().cover(asked), covered, "{names} {asked}");
    }
}

/// Who may what with a public name, a private one that it holds, and a private one that it does not.
#[test]
fn each_caller_may_what_it_holds_and_what_is_everybodys() {
    let cases = [
        (Caller::operator(), [true, true, true], [true, true, true]),
        (Caller::anonymous(), [true, false, false], [false, false, false]),
        (account(&["acme/hello:pull,push"]), [true, false, false], [true, true, false]),
        (account(&["*:push"]), [true, true, false], [false, true, false]),
        (session(&["acme/hello:pull"]), [false, false, false], [true, false, false]),
        (session(&["open/app:pull,delete"]), [true, false, true], [false, false, false]),
    ];
    for (caller, public, private) in cases {
        for (at, action) in Actions::ALL.iter().enumerate() {
            assert_eq!(caller.may(&rules(), action, "open/app"), public[at], "{caller:?} {action} open");
            assert_eq!(caller.may(&rules(), action, "acme/hello"), private[at], "{caller:?} {action} acme");
            let everywhere = caller.is_operator()
                || (action == Action::Push
                    && matches!(&caller.0, Standing::Account(_, s) if s[0].names == Names::All));
            assert_eq!(caller.may(&rules(), action, "owned/x"), everywhere, "{caller:?} {action} owned");
        }
        assert_eq!(caller.may_all(&rules(), Action::Pull), caller.is_operator());
        assert!(
            caller.may_all(&Rules::new(&Access::OPEN, Arc::default()), Action::Push)
                || matches!(caller.0, Standing::Session { .. })
        );
    }
}

#[test]
fn a_refusal_tells_nobody_more_than_they_may_know() {
    let refused = |caller: &Caller, action, text| caller.check(&rules(), action, &name(text)).unwrap_err();
    let holder = account(&["open/*:push"]);
    let hidden = refused(&holder, Action::Pull, "acme/hello");
    assert_eq!(hidden.to_string(), Error::UnknownRepository { repository: name("acme/hello") }.to_string());
    let denied = refused(&holder, Action::Push, "acme/hello");
    assert!(matches!(&denied, Error::Denied { reason } if reason.contains("`acme/hello:push`")), "{denied}");
    for action in Actions::ALL.iter() {
        let error = refused(&Caller::anonymous(), action, "acme/hello");
        assert!(matches!(error, Error::Unauthenticated { too_narrow: false, .. }), "{error}");
        let nobody = Caller::anonymous().in_session(Vec::new(), false);
        let error = refused(&nobody, action, "acme/hello");
        assert!(matches!(error, Error::Unauthenticated { too_narrow: false, .. }), "{error}");
        let error = refused(&session(&["open/app:pull"]), action, "acme/hello");
        assert!(matches!(error, Error::Unauthenticated { too_narrow: true, .. }), "it would get it: {error}");
        let error = refused(&session(&["acme/hello:*"]), action, "other/x");
        let would = action == Action::Pull;
        assert_eq!(matches!(error, Error::Unauthenticated { too_narrow: true, .. }), would, "{error}");
        assert_eq!(matches!(error, Error::Denied { .. }), !would, "{error}");
    }
}

#[test]
fn what_is_granted_is_what_was_asked_for_and_held() {
    let asked = [
        (name("acme/hello"), Actions::ALL),
        (name("open/app"), Actions::ALL),
        (name("other/x"), Actions::NONE),
    ];
    let granted = |caller: &Caller| -> Vec<String> {
        caller.granted(&rules(), &asked).iter().map(ToString::to_string).collect()
    };
    assert_eq!(granted(&Caller::anonymous()), ["open/app:pull"]);
    assert_eq!(granted(&account(&["acme/*:pull,push"])), ["acme/hello:pull,push", "open/app:pull"]);
    assert_eq!(granted(&session(&["acme/hello:pull"])), ["acme/hello:pull"]);
    assert_eq!(granted(&Caller::operator()), ["acme/hello:*", "open/app:*"]);
}
