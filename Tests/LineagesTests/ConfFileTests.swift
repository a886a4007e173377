import Testing

@testable import Lineages

@Suite struct ConfFileTests {
    private let conf = """
        # renew_before_expiry = 30 days
        version = 2.1.0
        cert = /etc/letsencrypt/live/a.example/cert.pem

        # Options used in the renewal process
        [renewalparams]
        account = 0123 # mine
          server\t=   https://ca.example/dir   \t# the test one
        webroot_path = /var/www,
        [[webroot_map]]
        a.example = /var/www

        """

    // MARK: - Reading

    @Test func `a conf says what certbot reads in it`() throws {
        let file = try read(conf)
        #expect(file.keys(in: []) == ["version", "cert"])
        #expect(file.sections(in: []) == ["renewalparams"])
        #expect(file.sections(in: ["renewalparams"]) == ["webroot_map"])
        #expect(file.hasSection([]) && file.hasSection(["renewalparams", "webroot_map"]))
        #expect(!file.hasSection(["webroot_map"]))
        #expect(file.value("version") == .string("2.1.0"))
        #expect(file.value("account", in: ["renewalparams"]) == .string("0123"))
        #expect(file.value("webroot_path", in: ["renewalparams"]) == .list(["/var/www"]))
        #expect(file.value("webroot_map", in: ["renewalparams"]) == nil)
        #expect(file.value("a.example", in: ["renewalparams", "webroot_map"]) == .string("/var/www"))
        #expect(file.keys(in: ["acme_renewal_info"]) == [])
        #expect(text(file) == conf)
    }

    @Test(
        arguments: [
            ("k = v\nserver = a\nserver = b\n", "line 3: key server is there twice"),
            ("[a]\n[b]\n[a]\n", "line 3: section a is there twice"),
            ("k = v\nbare\n", "line 2: neither a section nor key = value"),
            ("; c\n", "line 1: neither a section nor key = value"),
            ("a : b\n", "line 1: neither a section nor key = value"),
            ("[a]\n[[[b]]]\n", "line 2: section b is nested too deep for what is above it"),
            ("[[a]\n", "line 1: section a opens with 2 brackets and closes with 1"),
            ("k = \"v\n", "line 1: the value of k is badly quoted or a broken list"),
            ("k = a,,b\n", "line 1: the value of k is badly quoted or a broken list"),
            ("a = b\nk = '''v\n\n", "line 2: the triple quotes of k are never closed"),
            ("k = '''v\nw''' x\n", "line 2: the value of k has something behind its closing quotes"),
            ("k = %(x)s\n", "line 1: the value of k has a %(name)s, which certbot takes for another value's name"),
        ])
    func `a fault is told with its line`(text: String, message: String) {
        let error = #expect(throws: ConfError.self) { try read(text) }
        #expect(error.map(String.init(describing:)) == message)
    }

    @Test func `a byte that is not UTF-8 is told with its line`() {
        let error = #expect(throws: ConfError.self) {
            try ConfFile(bytes: Array("a = b\r\n\r\nc = ".utf8) + [0xE9, 0x0A])
        }
        #expect(error == ConfError(line: 3, what: "not UTF-8"))
    }

    @Test func `an error shows neither control characters nor a megabyte`() {
        let key = "k\u{1B}[31m" + String(repeating: "x", count: 10_000)
        let error = #expect(throws: ConfError.self) { try read("\(key) = a\n\(key) = b\n") }
        #expect(error?.what.contains("\u{1B}") == false)
        #expect((error?.what.count ?? 1000) < 200)
    }

    @Test func `two spellings of a letter are two keys`() throws {
        var file = try read("é = 1\ne\u{301} = 2\n")
        #expect(file.value("e\u{301}") == .string("2"))
        try file.set("é", to: .string("e\u{301}"))
        try file.set("é", to: .string("é"))
        #expect(text(file).utf8.elementsEqual("é = é\ne\u{301} = 2\n".utf8))
    }

    // MARK: - Changing

    @Test func `only the value changes`() throws {
        var file = try read(conf)
        try file.set("server", to: .string("https://other.example"), in: ["renewalparams"])
        #expect(text(file) == conf.replacing("https://ca.example/dir", with: "https://other.example"))
        try file.set("server", to: .string("https://ca.example/dir"), in: ["renewalparams"])
        #expect(text(file) == conf)
    }

    @Test func `setting the same value changes nothing`() throws {
        let odd = "\u{FEFF}k\t=\"v\"  # c\r\nl = 'a' ,b"
        var file = try read(odd)
        try file.set("k", to: .string("v"))
        try file.set("l", to: .list(["a", "b"]))
        #expect(text(file).utf8.elementsEqual(odd.utf8))
    }

    @Test(
        arguments: [
            (.string("a b"), "a b"), (.string(""), "\"\""), (.string(" a"), "\" a\""), (.string("a#b"), "\"a#b\""),
            (.string("a, b"), "\"a, b\""), (.string("say \"a\", b"), "'say \"a\", b'"), (.string("it's"), "it's"),
            (.string("'a'"), "\"'a'\""), (.string("'a' \"b\""), "''''a' \"b\"'''"), (.string("a\nb"), "'''a\nb'''"),
            (.list([]), ","), (.list(["a"]), "a,"), (.list(["a", "b, c", ""]), "a, \"b, c\", \"\""),
            // ConfigObj itself would write these so that they do not read back.
            (.string("a\u{A0}"), "\"a\u{A0}\""), (.string("'''a\n\""), "\"\"\"'''a\n\"\"\"\""),
        ] as [(ConfFile.Value, String)])
    func `a value is quoted when it has to be`(value: ConfFile.Value, spelling: String) throws {
        var file = try read("k = old # why\n")
        try file.set("k", to: value)
        #expect(text(file) == "k = \(spelling) # why\n")
        #expect(try read(text(file)).value("k") == value)
    }

    @Test(
        arguments: [
            .string("a'''\n\"\"\"\nb"), .string("a\r\nb"), .string("%(x)s"), .string("a %%(x)s b"), .list(["a\nb"]),
            .list(["', \", a"]),
            .list(["a", "%(b)s"]),
        ] as [ConfFile.Value])
    func `a value that would not read back is refused`(value: ConfFile.Value) throws {
        var file = try read("k = old # why\n")
        let error = #expect(throws: ConfError.self) { try file.set("k", to: value) }
        #expect(error?.line == 1)
        #expect(throws: ConfError.self) { try file.set("new", to: value, in: ["s"]) }
        #expect(text(file) == "k = old # why\n")
    }

    @Test func `a comment stays a comment behind a value that was empty`() throws {
        var file = try read("k =# c\nl =\n")
        try file.set("k", to: .string("v"))
        try file.set("l", to: .string("w"))
        #expect(text(file) == "k =v # c\nl =w\n")
    }

    @Test func `a value over several lines is replaced as a whole`() throws {
        var file = try read("k = '''a\r\nb''' # c\r\nl = m\r\n")
        try file.set("k", to: .string("x\ny"))
        #expect(text(file).utf8.elementsEqual("k = '''x\r\ny''' # c\r\nl = m\r\n".utf8))
        try file.set("k", to: .string("z"))
        #expect(text(file).utf8.elementsEqual("k = z # c\r\nl = m\r\n".utf8))
    }

    @Test func `a new key goes behind the last of its section`() throws {
        var file = try read(conf)
        try file.set("chain", to: .string("c"))
        try file.set("pref_challs", to: .list(["http-01"]), in: ["renewalparams"])
        try file.set("*.b.example", to: .string("/srv"), in: ["renewalparams", "webroot_map"])
        let expected = conf.replacing("/cert.pem\n", with: "/cert.pem\nchain = c\n")
            .replacing("/var/www,\n", with: "/var/www,\npref_challs = http-01,\n")
        #expect(text(file) == expected + "*.b.example = /srv\n")
    }

    @Test func `missing sections are made`() throws {
        var file = try read(conf)
        try file.set("ari_retry_after", to: .string("2026-01-01T00:00:00"), in: ["acme_renewal_info"])
        #expect(text(file) == conf + "\n[acme_renewal_info]\nari_retry_after = 2026-01-01T00:00:00\n")
        try file.set("k", to: .string("v"), in: ["renewalparams", "other"])
        let expected = conf + "[[other]]\nk = v\n\n[acme_renewal_info]\nari_retry_after = 2026-01-01T00:00:00\n"
        #expect(text(file) == expected)
    }

    @Test func `a new file is written from nothing`() throws {
        var file = ConfFile()
        #expect(file.bytes == [])
        try file.set("version", to: .string("5.8.0"))
        try file.set("a.example", to: .string("/srv, 1"), in: ["renewalparams", "webroot_map"])
        try file.set("account", to: .string("0"), in: ["renewalparams"])
        let expected = "version = 5.8.0\n\n[renewalparams]\naccount = 0\n[[webroot_map]]\na.example = \"/srv, 1\"\n"
        #expect(text(file) == expected)
    }

    @Test func `a last line without an end gets one`() throws {
        var file = try read("\u{FEFF}a = b\r\nc = d")
        try file.set("e", to: .string("f"))
        #expect(text(file).utf8.elementsEqual("\u{FEFF}a = b\r\nc = d\r\ne = f\r\n".utf8))
        var mark = try read("\u{FEFF}")
        try mark.set("e", to: .string("f"))
        #expect(text(mark).utf8.elementsEqual("\u{FEFF}e = f\n".utf8))
    }

    @Test func `keys and sections get no name twice`() throws {
        var file = try read(conf)
        #expect(throws: ConfError.self) { try file.set("webroot_map", to: .string("x"), in: ["renewalparams"]) }
        #expect(throws: ConfError.self) { try file.set("x", to: .string("y"), in: ["version"]) }
        #expect(throws: ConfError.self) { try file.set("x", to: .string("y"), in: [""]) }
        #expect(text(file) == conf)
    }

    @Test func `a removed key takes only its lines along`() throws {
        var file = try read(conf)
        file.remove("server", in: ["renewalparams"])
        file.remove("server", in: ["renewalparams"])
        file.remove("x", in: ["missing"])
        #expect(
            text(file)
                == conf.split(separator: "\n", omittingEmptySubsequences: false)
                .filter { !$0.contains("server") }.joined(separator: "\n"))
        var lines = try read("a = '''b\nc'''\nd = e\n")
        lines.remove("a")
        #expect(text(lines) == "d = e\n")
    }

    @Test func `a removed section takes those below along`() throws {
        var file = try read(conf + "# tail\n[other]\nk = v\n")
        file.removeSection(["missing"])
        file.removeSection([])
        file.removeSection(["renewalparams"])
        #expect(file.sections(in: []) == ["other"])
        let head = conf.prefix { $0 != "[" }
        #expect(text(file) == head + "# tail\n[other]\nk = v\n")
    }

    @Test func `a mark that comes to the start is not taken for a byte order mark`() throws {
        var file = try read("a = b\n\u{FEFF}c = d\n")
        file.remove("a")
        #expect(file.keys(in: []) == ["\u{FEFF}c"])
        #expect(try ConfFile(bytes: file.bytes).keys(in: []) == ["\u{FEFF}c"])
    }

    // MARK: - Junk

    @Test(
        arguments: [
            "[", "]", "[ ", "] ", "\"", "'''", ",", "#", "=", " ", "\r", "\n", "\0", "\u{2028}", "a, ", "\"a, ",
            "\"a\", ",
            "'a'b, ", "\"] ", "%(", "' =", "k\n",
        ], ["", "k = ", "k = a, ", "[[\"", "k = '''"])
    func `junk is read or refused in linear time`(unit: String, start: String) {
        #expect(timeToRead(start, unit, bytes: 131_072) < .seconds(60))
    }

    @Test(arguments: ["\"a\", ", "]", "k\n", "a = b\n", "[a]\n"]) func `a mebibyte is no hardship`(unit: String) {
        #expect(timeToRead("k = ", unit, bytes: 1_048_576) < .seconds(60))
    }

    private func timeToRead(_ start: String, _ unit: String, bytes: Int) -> Duration {
        let junk = start + String(repeating: unit, count: bytes / unit.utf8.count)
        return cpuTime { _ = try? ConfFile(bytes: Array(junk.utf8)) }
    }

    private func read(_ text: String) throws(ConfError) -> ConfFile { try ConfFile(bytes: Array(text.utf8)) }

    private func text(_ file: ConfFile) -> String { String(decoding: file.bytes, as: UTF8.self) }
}
