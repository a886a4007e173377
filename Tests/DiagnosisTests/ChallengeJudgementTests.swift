import Renewal
import Testing

@testable import Diagnosis

struct ChallengeJudgementTests {
    private func facts(_ address: String, isOwn: Bool = true, isOfDNS: Bool = true) -> ChallengeFacts {
        func answer(_ place: String) -> ChallengeAnswer {
            ChallengeAnswer(place: place, isOwn: isOwn, first: .content, wantsProxyHeader: true)
        }
        return ChallengeFacts(
            lineage: "one", name: "one.example", webroot: "/w", notWritten: nil, local: [answer("127.0.0.1:80")],
            fromOutside: [answer(address)], obstacle: nil, isBehindNAT: false, isOfDNS: isOfDNS)
    }

    @Test func `a name that leads straight to a server with the PROXY protocol cannot be validated by a CA`() {
        func verdict(_ facts: ChallengeFacts) -> Check? {
            ChallengeJudgement.findings(facts, port: 80, isListening: true).checks.first { $0.id == .proxyProtocol }
        }
        let direct = verdict(facts("203.0.113.7:80"))
        #expect(direct?.verdict == .failure && direct?.evidence.contains("203.0.113.7:80") == true)
        #expect(direct?.remedy?.text.hasPrefix("point one.example to the load balancer") == true)
        // What /etc/hosts says is not what a CA connects to.
        #expect(verdict(facts("127.0.1.1:80"))?.verdict == .ok)
        #expect(verdict(facts("203.0.113.7:80", isOfDNS: false))?.verdict == .ok)
    }

    @Test func `a server's own return is found where it comes before every location`() throws {
        func server(_ body: String) throws -> ChallengeServer {
            let dump = "# configuration file /etc/nginx/nginx.conf:\nhttp {\nserver {\nlisten 80;\n\(body)\n}\n}\n"
            let facts = NginxFacts(
                place: .host, container: nil, configuration: try #require(NginxConf(dump: dump)), startedAt: nil)
            return try #require(ChallengeServer("one.example", port: 80, webroot: "/w", [facts]))
        }
        let plain = try server("return 301 https://$host$request_uri;")
        #expect(plain.ownReturn?.text == "return 301 https://$host$request_uri;")
        #expect(plain.ownReturn?.place == "/etc/nginx/nginx.conf:4" && plain.closing == nil)
        let conditional = try server("if ($host = one.example) { return 301 https://$host$request_uri; }\nreturn 404;")
        #expect(conditional.ownReturn?.text == "if ($host = one.example) { return 301 https://$host$request_uri; }")
        #expect(try server("rewrite ^ https://$host$request_uri? permanent;").ownReturn != nil)
        #expect(try server("location / { return 301 https://$host; }").ownReturn == nil)
        #expect(try server("return 444;").closing?.text == "return 444;")
        #expect(try server("location / { return 444; }").closing?.text == "location / { return 444; }")
    }
}
