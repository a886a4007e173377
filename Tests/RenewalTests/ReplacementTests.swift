import ACME
import Challenges
import FoundationEssentials
import HTTP
import Lineages
import PKI
import Rig
import Synchronization
import Testing

@testable import Renewal

/// A CA that has a directory and takes orders, and remembers what it was sent.
private final class OrderCA: HTTPTransport {
    private let renewalInfo: Bool
    private let orders = Mutex<[[UInt8]]>([])

    init(renewalInfo: Bool) { self.renewalInfo = renewalInfo }

    /// What the orders ask for, each the JSON of RFC 8555 §7.4.
    var payloads: [String] {
        orders.withLock { $0 }.map { body in
            let jws = try? JSONDecoder().decode([String: String].self, from: Data(body))
            return String(decoding: jws?["payload"].flatMap { Base64URL.decode($0) } ?? [], as: UTF8.self)
        }
    }

    func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let ari = renewalInfo ? #", "renewalInfo": "https://ca.example/ari""# : ""
        let body =
            switch request.url.dropFirst("https://ca.example".count) {
            case "/dir":
                """
                {"newNonce": "https://ca.example/nonce", "newAccount": "https://ca.example/account",
                 "newOrder": "https://ca.example/new-order"\(ari)}
                """
            case "/nonce": ""
            default:
                #"{"status": "pending", "authorizations": [], "finalize": "https://ca.example/finalize"}"#
            }
        if request.url.hasSuffix("/new-order") { orders.withLock { $0.append(request.body) } }
        return HTTPResponse(
            status: 200, headers: ["Replay-Nonce": "nonce", "Location": "https://ca.example/order"],
            body: Array(body.utf8))
    }
}

/// A renewal says which certificate it replaces (RFC 9773 §5), where that is true and the CA can do with it.
@Suite(.parts("openssl"))
struct ReplacementTests {
    private static func replaces(
        account: String? = "abc", names: [String] = ["a.example"], params: String = "account = abc",
        renewalInfo: Bool = true
    ) async throws -> (replaces: String?, installed: CertificateID) {
        try await TemporaryDirectory.with { directory in
            let tree = "\(directory)/letsencrypt"
            let ca = try await DatedCA(in: directory)
            try await ca.addLineage("a.example", tree: tree, params: "authenticator = webroot\n\(params)")
            let lineage = try Tree(tree).lineage("a.example")
            let server = OrderCA(renewalInfo: renewalInfo)
            // Its directory is where the renewal config says, whatever answers there.
            let session = Session(server: "https://ca.example/dir", transport: server)
            let certification = Certification(
                name: "a.example", names: names.compactMap { SubjectName($0) }, server: RenewalOptions.defaultServer,
                account: account, key: .generate(.ec(.p256)), solver: StatelessSolver(),
                paths: LineagePaths(configDirectory: tree, name: "a.example"))
            let client = Client(
                session: session, key: try PrivateKey(generating: .ec(.p256)), accountURL: "https://ca.example/account")
            let exchange = CAExchange(
                try await certification.replacing(lineage, at: session), client: client,
                staging: StateStore(stateDirectory: "\(directory)/state").staging("a.example")
            ) { _ in }
            _ = try await exchange.place()
            let payload = try #require(server.payloads.first)
            #expect(server.payloads.count == 1)
            let installed = try #require(lineage.certificate.flatMap { CertificateID($0) })
            struct Order: Decodable { let replaces: String? }
            return (try JSONDecoder().decode(Order.self, from: Data(payload.utf8)).replaces, installed)
        }
    }

    @Test func `a renewal by the account that the renewal config names replaces what is installed`() async throws {
        let (replaces, installed) = try await Self.replaces()
        #expect(replaces == installed.description)
    }

    @Test func `another account, other names or no renewal information leave it out`() async throws {
        #expect(try await Self.replaces(account: "xyz").replaces == nil)
        #expect(try await Self.replaces(account: nil).replaces == nil)
        #expect(try await Self.replaces(params: "").replaces == nil)
        #expect(try await Self.replaces(names: ["a.example", "b.example"]).replaces == nil)
        #expect(try await Self.replaces(renewalInfo: false).replaces == nil)
    }
}
