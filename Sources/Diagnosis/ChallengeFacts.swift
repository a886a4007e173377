import FoundationEssentials
import HTTP
import Lineages

/// What came back for the probe file from one address, asked as a CA asks.
struct ChallengeAnswer: Equatable, Sendable {
    enum Outcome: Equatable, Sendable {
        /// The file's own content.
        case content
        /// Another answer: its status, `Location` and `Server`.
        case other(status: Int, location: String?, server: String?)
        /// None: in libcurl's words, and whether the connection was refused and not just lost.
        case none(String, isRefused: Bool)
    }

    /// `127.0.0.1:80`, `[2001:db8::1]:80`.
    let place: String
    /// Whether the address is one of this host's.
    let isOwn: Bool
    /// How the first request was answered.
    let first: Outcome
    /// The places that redirects led to.
    var redirects: [String] = []
    /// How the last redirect's target answered; nil where there was none, or where it could not be looked at.
    var last: Outcome?
    /// Why a redirect was not followed to its end.
    var whyNotFollowed: String?
    /// Whether it answers only to a connection that begins with a header of the PROXY protocol.
    var wantsProxyHeader = false

    var hasContent: Bool { first == .content || last == .content }
}

/// What was seen of one name's way to its webroot.
struct ChallengeFacts: Sendable {
    let lineage: String
    let name: String
    let webroot: String
    /// Why the probe file is not there, and answers could only be looked at for their kind; nil where it is.
    let notWritten: String?
    /// Of this host's own listener, as the container has it.
    let local: [ChallengeAnswer]
    /// Of each address that the name resolves to.
    let fromOutside: [ChallengeAnswer]
    /// The directory or file that not everybody may read, with its mode; nil where everybody may.
    let obstacle: String?
    /// Whether this host has private addresses only, so that its public one is a router's.
    let isBehindNAT: Bool
    /// Whether the addresses are what the DNS says, and so what a CA connects to.
    var isOfDNS = true
    /// What nginx's configuration has for the path; nil where none could be read.
    var server: ChallengeServer?
}

/// What nginx's configuration does with the challenge path of a name.
struct ChallengeServer: Equatable, Sendable {
    /// Where the server is, `FILE:LINE`.
    let place: String
    /// The path at which nginx sees the webroot.
    let webroot: String
    /// The location that it chooses: as it is written, and where; nil where the server itself answers.
    let location: Location?
    /// The location for challenges, whether it is chosen or another one goes before it.
    let own: Location?
    /// A `limit_req` that holds there: as it is written, and where.
    let limit: Location?
    /// An `auth_basic` that holds there: as it is written, and where.
    let password: Location?
    /// A `return` or redirect of the server itself, which comes before every location: as it is written, and where.
    let ownReturn: Location?

    struct Location: Equatable, Sendable {
        let text: String
        let place: String
        /// Whether it is for challenges alone, so that a second one would be a duplicate.
        var isForChallenges = false
        /// A `deny` or `return` that refuses everybody: as it is written.
        var refusal: String?
        /// Its `root` or `alias`.
        var root: String?
        /// Whether it asks for a password itself.
        var hasPassword = false
    }

    /// What has nginx end the connection without an answer; nil where nothing does.
    var closing: Location? {
        if let ownReturn, ownReturn.text.contains("return 444") { return ownReturn }
        guard let location, let refusal = location.refusal, refusal.hasPrefix("return 444") else { return nil }
        return Location(text: "\(location.text) { \(refusal); }", place: location.place)
    }

    static let path = "/.well-known/acme-challenge/"

    /// The server that answers for a name on the http port; nil where no configuration has one.
    init?(_ name: String, port: Int, webroot: String, _ all: [NginxFacts]) {
        for nginx in all {
            guard let server = nginx.configuration.server(for: name, at: nginx.port(port)) else { continue }
            let found = NginxConf.location(for: "\(ChallengeServer.path)token", in: server.directive)
            place = nginx.shown(server.directive)
            self.webroot = nginx.inside(FileSystem.resolved(webroot))
            func described(_ found: NginxConf.Directive) -> Location {
                let refusal = ChallengeServer.refusal(in: found) ?? ChallengeServer.refusal(in: server.directive)
                return Location(
                    text: found.text, place: nginx.shown(found),
                    isForChallenges: ChallengeServer.isForChallenges(found),
                    refusal: refusal, root: (found.first("root") ?? found.first("alias"))?.text,
                    hasPassword: found.first("auth_basic") != nil)
            }
            location = found.map(described)
            own = server.directive.all("location").first(where: ChallengeServer.isForChallenges).map(described)
            let limits = found.map { $0.all("limit_req") } ?? []
            limit = (limits.isEmpty ? server.effective("limit_req") : limits).first.map {
                Location(text: $0.text, place: nginx.shown($0))
            }
            let passwords = found.map { $0.all("auth_basic") } ?? []
            password = (passwords.isEmpty ? server.effective("auth_basic") : passwords)
                .first { $0.arguments != ["off"] }
                .map { Location(text: $0.text, place: nginx.shown($0)) }
            ownReturn = ChallengeServer.ownReturn(in: server.directive).map {
                Location(text: $0.wholeText, place: nginx.shown($0))
            }
            return
        }
        return nil
    }

    private static func isForChallenges(_ location: NginxConf.Directive) -> Bool {
        location.arguments.last?.contains("well-known") ?? false
    }

    /// The rewrite module's directives of a server run before a location is chosen.
    private static func ownReturn(in server: NginxConf.Directive) -> NginxConf.Directive? {
        func ends(_ directive: NginxConf.Directive) -> Bool {
            switch directive.name {
            case "return": true
            case "rewrite": ["permanent", "redirect"].contains(directive.arguments.last)
            case "if": directive.block?.contains(where: ends) ?? false
            default: false
            }
        }
        return server.block?.first(where: ends)
    }

    private static func refusal(in block: NginxConf.Directive) -> String? {
        if block.first("allow") == nil, let deny = block.all("deny").first(where: { $0.arguments == ["all"] }) {
            return deny.text
        }
        return block.all("return").first { $0.arguments.first?.hasPrefix("4") ?? false }?.text
    }
}

/// Asks for the probe file as a CA would (RFC 8555 §8.3): plain http, redirects followed, no proxy.
struct ChallengeProbe: Sendable {
    let transport: any HTTPTransport
    let names: NameProbe
    /// The port that CAs reach, 80 everywhere but in a test.
    let port: Int
    let budget: Budget
    let own: Set<String>
    /// The port on which this host serves TLS where CAs see 443.
    var tlsPort = 443

    static let timeout: Duration = .seconds(5)
    /// As many redirects as Let's Encrypt follows.
    static let mostRedirects = 10

    func answer(of address: String, name: String, file: ProbeFile) async -> ChallengeAnswer {
        let host = address.contains(":") ? "[\(address)]" : address
        let place = "\(host):\(port)"
        let path = "/.well-known/acme-challenge/\(file.token)"
        var url = "http://\(name.contains(":") ? "[\(name)]" : name)\(path)"
        let isOwn = OwnAddresses.contain(address, in: own)
        let (first, wantsProxyHeader) = await outcome(url, at: place, file, isOwn: isOwn)
        var answer = ChallengeAnswer(place: place, isOwn: isOwn, first: first, wantsProxyHeader: wantsProxyHeader)
        var outcome = first
        while case .other(300..<400, let location?, _) = outcome {
            guard answer.redirects.count < ChallengeProbe.mostRedirects else {
                answer.whyNotFollowed = "more than \(ChallengeProbe.mostRedirects) redirects"
                return answer
            }
            guard let target = RedirectTarget(location, from: url) else {
                answer.redirects.append(location)
                answer.whyNotFollowed = "a CA follows http and https only"
                return answer
            }
            answer.redirects.append(target.url)
            guard [80, 443, port].contains(target.port) else {
                answer.whyNotFollowed = "a CA follows redirects to the ports 80 and 443 only, not \(target.port)"
                return answer
            }
            let next =
                target.host == name
                ? [address]
                : await names.addresses(
                    of: target.host, within: budget.time(NameProbe.timeout)
                ).all
            guard let nextAddress = next.first else {
                answer.whyNotFollowed = "\(target.host) does not resolve"
                return answer
            }
            let nextHost = nextAddress.contains(":") ? "[\(nextAddress)]" : nextAddress
            url = target.url
            let isOwn = OwnAddresses.contain(nextAddress, in: own)
            let nextPort = target.port == 80 ? port : target.port == 443 && isOwn ? tlsPort : target.port
            outcome = await self.outcome(url, at: "\(nextHost):\(nextPort)", file, isOwn: isOwn).outcome
            answer.last = outcome
        }
        return answer
    }

    /// A server of this host that ends the connection without an answer may expect the PROXY protocol, as behind a load balancer: it
    /// is asked again with a header.
    private func outcome(
        _ url: String, at place: String, _ file: ProbeFile, isOwn: Bool
    ) async -> (outcome: ChallengeAnswer.Outcome, wantsProxyHeader: Bool) {
        var request = HTTPRequest(
            url: url, timeout: budget.time(ChallengeProbe.timeout), largestBody: 65_536, connectTo: place)
        request.verifiesServer = false
        do throws(HTTPError) {
            return (outcome(try await transport.send(request), file), false)
        } catch {
            let silence = ChallengeAnswer.Outcome(error)
            guard isOwn, [.interrupted, .tlsFailed].contains(error.kind) else { return (silence, false) }
            request.hasProxyHeader = true
            guard let response = try? await transport.send(request), response.status != 400 else {
                return (silence, false)
            }
            return (outcome(response, file), true)
        }
    }

    private func outcome(_ response: HTTPResponse, _ file: ProbeFile) -> ChallengeAnswer.Outcome {
        if response.status == 200, response.body == Array(file.content.utf8) { return .content }
        return .other(
            status: response.status, location: response.headers["Location"], server: response.headers["Server"])
    }
}

extension ChallengeAnswer.Outcome {
    /// libcurl repeats the address: "Failed to connect to 127.0.0.1 port 80 after 0 ms: Couldn't connect to server".
    fileprivate init(_ error: HTTPError) {
        let words = error.detail.hasPrefix("Failed to connect to ") ? error.detail.firstRange(of: ": ") : nil
        self = .none(
            words.map { String(error.detail[$0.upperBound...]) } ?? error.detail,
            isRefused: error.kind == .cannotConnect)
    }
}

/// Where a redirect leads.
struct RedirectTarget: Equatable, Sendable {
    let url: String
    let host: String
    let port: Int

    /// Nil for another scheme than http and https.
    init?(_ location: String, from url: String) {
        var absolute = location
        if location.hasPrefix("/") {
            guard let scheme = url.firstRange(of: "://") else { return nil }
            let authority = url[scheme.upperBound...].prefix { $0 != "/" }
            absolute =
                location.hasPrefix("//")
                ? "\(url[..<scheme.lowerBound]):\(location)"
                : "\(url[..<scheme.upperBound])\(authority)\(location)"
        }
        let lower = absolute.lowercased()
        let isSecure = lower.hasPrefix("https://")
        guard isSecure || lower.hasPrefix("http://"), let scheme = absolute.firstRange(of: "://") else { return nil }
        let authority = absolute[scheme.upperBound...].prefix { !"/?#".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else { return nil }
        var host = String(authority)
        var port = isSecure ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), authority[colon...].dropFirst().allSatisfy(\.isNumber),
            let number = Int(authority[colon...].dropFirst())
        {
            (host, port) = (String(authority[..<colon]), number)
        }
        (self.url, self.host, self.port) = (absolute, host.lowercased(), port)
    }
}
