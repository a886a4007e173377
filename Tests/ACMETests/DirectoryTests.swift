import HTTP
import Testing

@testable import ACME

/// A directory that is somewhere else, or says strange things.
struct DirectoryTests {
    private typealias Step = ScriptedCA.Step

    private static func redirect(_ request: String, _ status: Int, to target: String) -> Step {
        .init(request, status, "<html>moved</html>", headers: [("Location", target)], hasNonce: false)
    }

    /// The directory at another path.
    private static func directory(at path: String) -> Step {
        let usual = Step.directory()
        guard case .success(let response) = usual.result else { return usual }
        return .init("GET \(path)", 200, String(decoding: response.body, as: UTF8.self), hasNonce: false)
    }

    @Test(
        arguments: [301, 302, 307, 308],
        ["/v2/dir", "https://ca.example/v2/dir", "https://ca.example:443/v2/dir", "https://CA.example/v2/dir"])
    func `a directory that has moved within its host is followed, and that is reported`(
        status: Int, target: String
    ) async throws {
        let ca = ScriptedCA([
            Self.redirect("GET /dir", status, to: target),
            Self.directory(at: target.hasPrefix("https://ca.example/") || target.hasPrefix("/") ? "/v2/dir" : target),
        ])
        let exchanges = ExchangeLog()
        let session = Session(server: ScriptedCA.directoryURL, transport: ca) { exchanges.note($0) }
        #expect(try await session.fetchDirectory().newOrder == "https://ca.example/new-order")
        let moved = target.hasPrefix("/") ? "https://ca.example/v2/dir" : target
        #expect(session.server == ScriptedCA.directoryURL)
        #expect(exchanges.all.map(\.redirect) == [moved, nil])
        #expect(exchanges.all[0].description.hasSuffix("ms, redirects to \(moved)"))
    }

    @Test(arguments: [
        ("https://other.example/dir", "another server"), ("https://ca.example:444/dir", "another server"),
        ("https://ca.example.evil.example/dir", "another server"),
        ("https://ca.example@evil.example/", "another server"),
        ("http://ca.example/v2/dir", "not an https URL"), ("file:///etc/passwd", "not an https URL"),
    ])
    func `a directory that leads elsewhere is refused with both URLs`(target: String, reason: String) async throws {
        let scenario = try Scenario([Self.redirect("GET /dir", 301, to: target)])
        let error = await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        let text = try #require(error).description
        #expect(text.contains("https://ca.example/dir redirects to \(target)") && text.contains(reason), "\(text)")
        #expect(error?.isTemporary == false)
    }

    @Test func `a circle of redirects ends`() async throws {
        let scenario = try Scenario(
            Array(repeating: Self.redirect("GET /dir", 302, to: "/dir"), count: DirectoryRedirect.most + 1))
        let error = await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        #expect(error?.description.contains("there were 5 redirects before") == true)
        #expect(scenario.ca.remaining == [])
    }

    @Test(arguments: [303, 304, 300])
    func `other answers of that kind are none`(status: Int) async throws {
        let scenario = try Scenario([Self.redirect("GET /dir", status, to: "/v2/dir")])
        let error = await #expect(throws: ACMEError.self) { try await scenario.session.fetchDirectory() }
        #expect(error?.description.contains("HTTP status \(status)") == true)
    }

    @Test(arguments: [301, 302, 307, 308])
    func `a POST is never redirected`(status: Int) async throws {
        let scenario = try Scenario(
            Step.beginning + [Self.redirect("POST /authz/0", status, to: "https://ca.example/v2/authz/0")])
        let error = await #expect(throws: ACMEError.self) {
            try await scenario.client.authorization("https://ca.example/authz/0")
        }
        #expect(
            error?.description.contains("redirects to https://ca.example/v2/authz/0, which is not followed") == true)
        #expect(error?.isTemporary == false)
        #expect(scenario.ca.remaining == [])
    }

    @Test func `what a directory says of itself is cut, and mistyped members are left out`() async throws {
        let long = String(repeating: "x", count: 10_000)
        let profiles = (0..<1_000).map { #""p\#($0)": "\#(long.prefix(700))""# }.joined(separator: ",")
        let scenario = try Scenario([
            .directory(
                #"""
                {"termsOfService": "\#(long)", "externalAccountRequired": "yes", "profiles": {\#(profiles)},
                 "caaIdentities": ["\#(long)", "a"]}
                """#)
        ])
        let meta = try #require(try await scenario.session.fetchDirectory().meta)
        #expect(meta.termsOfService?.count == 2_001)
        #expect(meta.externalAccountRequired == nil)
        #expect(meta.profiles?.count == 50 && meta.profiles?.values.allSatisfy { $0.count == 501 } == true)
        #expect(meta.caaIdentities?.map(\.count) == [256, 1])
    }
}
