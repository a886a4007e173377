import PKI
import Testing

@testable import Lineages

/// What a new or changed renewal config says of how its names are proven.
struct ProofSettingsTests {
    /// Computed, not stored: the leak sanitizer does not see what an enum with several payloads keeps alive in a global, as Swift
    /// writes the case into the pointer's spare bits.
    private static var methods: [[ProofMethod]] {
        [
            [.webroot], [.standalone(address: nil, port: 80)], [.standalone(address: "192.0.2.1", port: 8080)],
            [.certbotPlugin(name: "dns-x-y", options: ["dns_x_y_credentials": "/c, d.ini"])],
            [.manualHooks(auth: "/a b # c", cleanup: nil, types: ProofMethod.manualTypes)],
            [.manualHooks(auth: "/a", cleanup: "/b", types: ["dns-01"])],
            [.stateless, .webroot], [.stateless, .certbotPlugin(name: "dns-x", options: [:])],
            [.program(path: "/p", credentials: "/c"), .webroot],
        ]
    }

    private let webroots = [(name: SubjectName("a.example")!, path: "/w")]

    private func conf(_ text: String = "") throws -> ConfFile {
        try ConfFile(bytes: Array("[renewalparams]\nkey_type = ecdsa\n\(text)".utf8))
    }

    private func write(_ methods: [ProofMethod], to conf: inout ConfFile) throws {
        let proof = ProofSettings(methods, webroots: webroots)
        try NewLineage.Settings(server: "s", account: "a", keyType: .ec(.p256), proof: proof).write(to: &conf)
    }

    @Test(arguments: methods)
    func `what is written is read as the same methods`(methods: [ProofMethod]) throws {
        var conf = try conf()
        try write(methods, to: &conf)
        let options = try RenewalOptions(conf, defaults: CLIDefaults())
        #expect(options.proof == ProofPlan(methods: methods), "\(String(decoding: conf.bytes, as: UTF8.self))")
        let once = conf.bytes
        try write(methods, to: &conf)
        #expect(conf.bytes == once, "a second time nothing changes")
    }

    @Test(arguments: methods)
    func `each method takes the place of every other one, and leaves nothing of it`(methods: [ProofMethod]) throws {
        var fresh = try conf()
        try write(methods, to: &fresh)
        for former in Self.methods {
            var conf = try conf()
            try write(former, to: &conf)
            try write(methods, to: &conf)
            #expect(
                try RenewalOptions(conf, defaults: CLIDefaults()).proof == ProofPlan(methods: methods),
                "after \(former)")
            let (keys, wanted) = (conf.keys(in: ["renewalparams"]), fresh.keys(in: ["renewalparams"]))
            #expect(Set(keys) == Set(wanted), "after \(former)")
        }
    }

    @Test func `comments, keys that have no meaning here and misplaced options stay`() throws {
        var conf = try conf(
            "# why\nauthenticator = webroot\nmine = 1\nwebroot_path = /w,\n[[webroot_map]]\na.example = /w\nrenew_hook = /x\n"
        )
        try write([.certbotPlugin(name: "dns-x", options: [:])], to: &conf)
        let text = String(decoding: conf.bytes, as: UTF8.self)
        #expect(text.contains("# why\nauthenticator = dns-x\nmine = 1\n"), "\(text)")
        #expect(text.contains("renew_hook = /x") && !text.contains("webroot_path") && !text.contains("a.example"))
    }
}
