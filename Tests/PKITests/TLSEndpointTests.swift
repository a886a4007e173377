import FoundationEssentials
import PKI
import Testing

struct TLSEndpointTests {
    @Test(arguments: [
        ("127.0.0.1:443", "127.0.0.1", 443),
        ("192.0.2.1", "192.0.2.1", 443),
        ("192.0.2.1:8443", "192.0.2.1", 8443),
        ("[::1]:443", "::1", 443),
        ("[::1]", "::1", 443),
        ("::1", "::1", 443),
        ("2001:db8::1:25", "2001:db8::1:25", 443),
        ("[2001:DB8:0:0::1]:65535", "2001:db8::1", 65_535),
        ("mail.example.org:465", "mail.example.org", 465),
        ("Mail.Example.org.:1", "mail.example.org", 1),
        ("localhost", "localhost", 443),
        ("web_1:0443", "web_1", 443),
    ])
    func `an endpoint is a host and a port`(text: String, host: String, port: Int) {
        let endpoint = TLSEndpoint(text)
        #expect(endpoint?.host == host)
        #expect(endpoint?.port == port)
    }

    @Test(arguments: [
        "", ":", ":443", "[]", "[]:443", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:99999999999999999999", "127.0.0.1:https", "127.0.0.1: 443", " 127.0.0.1", "300.0.0.1", "[::1",
        "[::1]443", "[::1]:", "[::1]]:443", "[127.0.0.1]:443", "[example.org]:443", "::g", "::1%lo",
        "https://example.org", "example.org:443/", "*.example.org", "a..b", "a:1:2",
    ])
    func `nothing else is an endpoint`(text: String) {
        #expect(TLSEndpoint(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1:443"), ("0:0::1", "[::1]:443"), ("MAIL.example.org:465", "mail.example.org:465"),
    ])
    func `an endpoint is written with its port, and reads back`(text: String, description: String) throws {
        let endpoint = try #require(TLSEndpoint(text))
        #expect(endpoint.description == description)
        #expect(TLSEndpoint(description) == endpoint)
    }

    @Test func `an endpoint is a string in JSON`() throws {
        let endpoint = try #require(TLSEndpoint("[::1]:8443"))
        let json = try JSONEncoder().encode([endpoint])
        #expect(String(decoding: json, as: UTF8.self) == #"["[::1]:8443"]"#)
        #expect(try JSONDecoder().decode([TLSEndpoint].self, from: json) == [endpoint])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([TLSEndpoint].self, from: Data(#"["localhost:0"]"#.utf8))
        }
    }
}
