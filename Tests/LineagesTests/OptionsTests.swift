import Lineages
import PKI
import Testing

struct OptionsTests {
    private func options(_ params: String, top: String = "", cli: String...) throws -> RenewalOptions {
        let conf = try ConfFile(bytes: Array("\(top)\n[renewalparams]\n\(params)\n".utf8))
        let files = try cli.map { try CLIFile(bytes: Array($0.utf8)) }
        return try RenewalOptions(conf, defaults: CLIDefaults(files))
    }

    @Test func `certbot's defaults apply where nothing is said`() throws {
        let options = try options("authenticator = webroot")
        #expect(options.server == RenewalOptions.defaultServer)
        #expect(options.keyType == .rsa(bits: 2048), "a conf without key_type is from a time of RSA keys")
        #expect(options.account == nil && options.preHook == nil && options.renewBeforeExpiry == nil)
        #expect(!options.reuseKey && !options.mustStaple && options.autorenew && options.directoryHooks)
        #expect(options.webroots.isEmpty && options.lastWebroot == nil && options.remarks.isEmpty)
    }

    @Test func `None is nothing`() throws {
        let options = try options("account = None\npre_hook = None\nwebroot_path = None\nrsa_key_size = None")
        #expect(options.account == nil && options.preHook == nil && options.lastWebroot == nil)
        #expect(options.keyType == .rsa(bits: 2048))
    }

    @Test func `what cli dot ini says goes before the conf, the user's before the tree's`() throws {
        let options = try options(
            "authenticator = nginx\nkey_type = rsa\nrenew_hook = old\npreferred_chain = A",
            cli: "authenticator = webroot\nkey-type = ecdsa\nelliptic-curve = secp384r1\ndeploy-hook = tree",
            "deploy-hook = user")
        #expect(options.authenticator == "webroot")
        #expect(options.keyType == .ec(.p384))
        #expect(options.deployHook == "user")
        #expect(options.preferredChain == "A")
    }

    @Test func `a server that is typed puts the conf's account out of force, unless it is the same`() throws {
        let params = "server = https://a.example/dir\naccount = 0123"
        #expect(try options(params).account == "0123")
        #expect(try options(params, cli: "server = https://a.example/dir").account == "0123")
        #expect(try options(params, cli: "server = https://b.example/dir").account == nil)
        #expect(try options(params, cli: "server = https://b.example/dir\naccount = 4567").account == "4567")
    }

    @Test func `the server of ACMEv1 is the one of ACMEv2`() throws {
        #expect(
            try options("server = https://acme-v01.api.letsencrypt.org/directory").server
                == RenewalOptions.defaultServer)
    }

    @Test(arguments: [("True", true), ("true", true), ("FALSE", false), ("False", false)])
    func `booleans are True or False in any case`(text: String, value: Bool) throws {
        let options = try options("reuse_key = \(text)\nmust_staple = \(text)\nautorenew = \(text)")
        #expect(options.reuseKey == value && options.mustStaple == value && options.autorenew == value)
    }

    @Test(arguments: ["reuse_key = 1", "autorenew = maybe", "must_staple = yes", "allow_subset_of_names = \"\""])
    func `other booleans stop the renewal`(line: String) {
        #expect(throws: LineageProblem.self) { try options(line) }
    }

    @Test func `flags of cli dot ini are read as certbot reads them`() throws {
        #expect(try options("", cli: "reuse-key").reuseKey)
        #expect(try options("", cli: "reuse-key = yes").reuseKey)
        #expect(try !options("reuse_key = True", cli: "no-reuse-key = 1").reuseKey)
        #expect(try !options("", cli: "no-directory-hooks = true").directoryHooks)
        #expect(try options("", cli: "no-autorenew = true").autorenew, "certbot takes that from the conf only")
        #expect(throws: LineageProblem.self) { try options("", cli: "must-staple = maybe") }
    }

    @Test func `a hook in quotes may hold commas, and one without becomes a list and is refused`() throws {
        #expect(try options("pre_hook = \"echo a, b\"").preHook == "echo a, b")
        for key in ["pre_hook", "renew_hook", "post_hook", "preferred_chain", "server"] {
            let problem = #expect(throws: LineageProblem.self) { try options("\(key) = echo a, b") }
            #expect(problem?.code == .optionInvalid)
            #expect(problem?.message.hasPrefix("\(key) has a comma outside quotes") == true)
        }
        #expect(try options("pre_hook = echo a, b", cli: "pre-hook = echo c").preHook == "echo c")
    }

    @Test func `webroots are the map's, then the last path's`() throws {
        let conf = """
            webroot_path = /first, /last
            [[webroot_map]]
            One.Example = /one
            two.example. = "/two, three"
            """
        let options = try options(conf)
        #expect(try options.webroot(for: #require(SubjectName("one.example"))) == "/one")
        #expect(try options.webroot(for: #require(SubjectName("two.example"))) == "/two, three")
        #expect(try options.webroot(for: #require(SubjectName("three.example"))) == "/last")
        let typed = try self.options(conf, cli: "webroot-path = [/typed, /over]")
        #expect(try typed.webroot(for: #require(SubjectName("one.example"))) == "/over", "certbot drops the map then")
        #expect(try self.options("webroot_path = /only").lastWebroot == "/only")
    }

    private static let spans: [(String, Double)] = [
        ("30 days", 30), ("30", 30), ("30d", 30), ("2w", 14), ("2 weeks", 14), ("1 month", 30), ("6 Hours", 0.25),
        ("3 days 12 hours", 3.5), ("1 day, 2 hours", 26.0 / 24), ("1.5 weeks", 10.5), ("1 year", 365), ("0 days", 0),
        ("5 m", 5.0 / 1440),
    ]

    @Test(arguments: spans)
    func `a span of time is as certbot reads it`(text: String, days: Double) throws {
        let seconds = try #require(TimeSpan.seconds(in: text))
        #expect(abs(seconds - days * 86_400) < 0.001)
        #expect(try options("", top: "renew_before_expiry = \"\(text)\"").renewBeforeExpiry == seconds)
    }

    @Test(arguments: [
        "soon", "thirty days", "-30 days", "", "days", "30 fortnights", "30.5", "1e3 days", "inf days", "1 week 30",
        "٣ days",
    ])
    func `other spans are set aside with a remark`(text: String) throws {
        let options = try options("", top: "renew_before_expiry = \"\(text)\"")
        #expect(options.renewBeforeExpiry == nil)
        #expect(options.remarks.map(\.code) == [.renewBeforeExpiry])
        #expect(options.remarks.allSatisfy { !$0.isFatal })
    }

    @Test func `keys of cli dot ini that certctl does not act on are named`() throws {
        let file = try CLIFile(
            bytes: Array("max-log-backups = 0\nstaging = true\nserver = x\nrsa-key-size = 4096".utf8))
        #expect(CLIDefaults([file]).unsupportedKeys == ["staging"])
    }
}
