import PKI
import Testing

@testable import Lineages

/// How a conf says that names are proven.
struct ProofTests {
    private func plan(_ params: String, own: String = "", cli: String = "") throws -> ProofPlan {
        let text = "[renewalparams]\nkey_type = ecdsa\n\(params)\n[certctl]\n\(own)\n"
        let defaults = cli.isEmpty ? CLIDefaults() : CLIDefaults([try CLIFile(bytes: Array(cli.utf8))])
        return try RenewalOptions(ConfFile(bytes: Array(text.utf8)), defaults: defaults).proof
    }

    private func names(_ texts: String...) -> [SubjectName] { texts.compactMap { SubjectName($0) } }

    @Test func `a DNS plugin has its own options, and no others`() throws {
        let plan = try plan(
            "authenticator = dns-cloudflare\ndns_cloudflare_credentials = /root/cf.ini\ndns_cloudflare_propagation_seconds = 30\ndns_other_credentials = /x",
            cli: "dns-cloudflare-propagation-seconds = 60\n")
        let options = [
            "dns_cloudflare_credentials": "/root/cf.ini", "dns_cloudflare_propagation_seconds": "60",
        ]
        #expect(plan.methods == [.certbotPlugin(name: "dns-cloudflare", options: options)])
        #expect(plan.methods[0].credentials == "/root/cf.ini")
        #expect(plan.reasonUnproven(names("*.a.example", "a.example")) == nil)
        #expect(plan.reasonUnproven(names("192.0.2.1"))?.contains("needs http-01") == true)
    }

    @Test func `a plugin that is named with its package is the plugin`() throws {
        let plan = try plan("authenticator = certbot-dns-inwx:dns-inwx\ndns_inwx_credentials = /c")
        #expect(plan.methods == [.certbotPlugin(name: "dns-inwx", options: ["dns_inwx_credentials": "/c"])])
    }

    @Test func `standalone has its address and port`() throws {
        #expect(try plan("authenticator = standalone").methods == [.standalone(address: nil, port: 80)])
        let plan = try plan("authenticator = standalone\nhttp01_address = 192.0.2.1\nhttp01_port = 8080")
        #expect(plan.methods == [.standalone(address: "192.0.2.1", port: 8080)])
        #expect(plan.needsListener(for: names("a.example")))
        #expect(throws: LineageProblem.self) { try self.plan("authenticator = standalone\nhttp01_port = 70000") }
    }

    @Test(arguments: [
        ("", "a.example", "http-01"), ("", "*.a.example", "dns-01"), ("pref_challs = dns-01,", "a.example", "dns-01"),
        ("pref_challs = dns,", "a.example", "dns-01"), ("pref_challs = http-01,", "*.a.example", nil),
        ("pref_challs = dns-01, http-01", "192.0.2.1", "http-01"),
    ])
    func `manual hooks prove by what the conf prefers`(line: String, name: String, type: String?) throws {
        let plan = try plan("authenticator = manual\nmanual_auth_hook = /a b\n\(line)")
        #expect(plan.methods[0].challengeType(for: SubjectName(name)!) == type)
    }

    @Test func `manual without hooks asks a person, and is left alone`() throws {
        let plan = try plan("authenticator = manual")
        #expect(plan.reasonUnproven(names("a.example"))?.contains("manual_auth_hook") == true)
    }

    @Test func `what a solver of certctl's cannot prove is for the authenticator`() throws {
        let plan = try plan("authenticator = dns-x", own: "solver = stateless")
        let all = names("a.example", "*.a.example")
        #expect(plan.reasonUnproven(all) == nil)
        #expect(plan.method(for: all[0]) == .stateless)
        #expect(plan.method(for: all[1]) == .certbotPlugin(name: "dns-x", options: [:]))
        #expect(try self.plan("authenticator = nginx", own: "solver = stateless").reasonUnproven([all[0]]) == nil)
    }

    @Test(arguments: ["nginx", "apache"])
    func `certbot's own web server plugins are named with the command that converts them`(plugin: String) throws {
        let reason = try plan("authenticator = \(plugin)").reasonUnproven(names("a.example"))
        #expect(reason?.hasPrefix("authenticator \(plugin)") == true)
        #expect(reason?.contains("certctl setup") == true)
    }

    @Test(arguments: ["solver = magic", "solver = program", "solver = program\ndns_program = relative"])
    func `a solver that nobody has is an error`(own: String) {
        #expect(throws: LineageProblem.self) { try plan("authenticator = webroot", own: own) }
    }

    @Test func `a whole level is not for a webroot`() throws {
        let reason = try plan("authenticator = webroot\nwebroot_path = /w,").reasonUnproven(names("*.a.example"))
        #expect(reason == "*.a.example needs dns-01, which the webroot authenticator does not have")
    }
}
