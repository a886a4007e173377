import ACME
import FoundationEssentials
import HTTP
import Lineages
import Renewal

/// What a CA says when it is asked: only with `--ca`.
struct CAFacts: Sendable {
    let server: String
    /// Why there is no directory; nil where there is.
    let failure: ACMEError?
    /// By which names CAA records mean it, where it says so.
    let identities: Set<String>?
    /// The `Date` of its answer, and this host's time then.
    let clock: (date: Date, here: Date)?
    /// The account's status, by its id and URL, or how the CA refused to tell.
    let accounts: [String: Result<String, ACMEError>]
}

/// Asks a CA for its directory, and for the accounts that lineages have with it.
struct CAProbe: Sendable {
    let transport: any HTTPTransport
    let budget: Budget

    static let timeout: Duration = .seconds(10)

    func facts(_ server: String, accounts: [StoredAccount]) async -> CAFacts {
        let clock = await self.clock(of: server)
        let transport = HurriedTransport(transport: transport, budget: budget)
        let session = Session(server: server, transport: transport)
        do throws(ACMEError) {
            let directory = try await session.fetchDirectory()
            var answers: [String: Result<String, ACMEError>] = [:]
            for account in accounts {
                let client = Client(session: session, key: account.key, accountURL: account.url)
                do throws(ACMEError) {
                    answers["\(account.id) (\(account.url))"] = .success(try await client.status())
                } catch {
                    answers["\(account.id) (\(account.url))"] = .failure(error)
                }
            }
            return CAFacts(
                server: server, failure: nil, identities: directory.meta?.caaIdentities.map(Set.init), clock: clock,
                accounts: answers)
        } catch {
            return CAFacts(server: server, failure: error, identities: nil, clock: clock, accounts: [:])
        }
    }

    /// Also where the CA's certificate is refused, the clock may be why; then there is no answer to read it from.
    private func clock(of server: String) async -> (date: Date, here: Date)? {
        guard let response = try? await transport.send(HTTPRequest(url: server, timeout: budget.time(CAProbe.timeout))),
            let date = response.headers["Date"].flatMap(HTTPDate.date)
        else { return nil }
        return (date, Date.now)
    }

    /// A CA that is slow is reported, and not waited for.
    private struct HurriedTransport: HTTPTransport {
        let transport: any HTTPTransport
        let budget: Budget

        func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
            var request = request
            request.timeout = budget.time(min(request.timeout, CAProbe.timeout))
            return try await transport.send(request)
        }
    }
}

enum CAJudgement {
    static let ids: [CheckID] = [.caUnreachable, .caNotTrusted, .accountDeactivated, .rateLimited]

    /// - Parameter failure: that an account was to be made since, in vain.
    static func findings(_ facts: CAFacts, failure registration: RegistrationFailure? = nil) -> Findings {
        var findings = Findings()
        let place = facts.server
        let (cause, since) = (registration.map { RecordedCause($0.cause) }, RenewalJudgement.tried(registration))
        if let failure = facts.failure {
            judge(failure, place, &findings)
            findings.skip([.accountDeactivated], at: place, because: "the CA could not be asked")
        }
        for (account, answer) in facts.accounts.sorted(by: { $0.key < $1.key }) {
            switch answer {
            case .success("valid"): break
            case .success(let status):
                findings.fail(
                    .accountDeactivated, at: place, "the account \(account) is \(status) at the CA\(since)",
                    .accountRefused(server: place, failure: cause))
            case .failure(let error):
                guard error.isRefusal, !error.isTemporary else {
                    judge(error, place, &findings)
                    continue
                }
                findings.fail(
                    .accountDeactivated, at: place, "the CA does not take the account \(account): \(error)\(since)",
                    .accountRefused(server: place, failure: cause))
            }
        }
        findings.pass(ids, at: place)
        return findings
    }

    private static func judge(_ error: ACMEError, _ place: String, _ findings: inout Findings) {
        switch error {
        case .unreachable(let cause) where cause.kind == .tlsNotTrusted || cause.kind == .unreadableCABundle:
            findings.fail(
                .caNotTrusted, at: place, "\(cause)", .caNotTrusted)
        case .refused(let problem, _) where problem.isRateLimit:
            findings.fail(
                .rateLimited, at: place, "\(error)", .rateLimited)
        default:
            findings.fail(.caUnreachable, at: place, "\(error)", .caUnreachable(server: place))
        }
    }
}

extension ACMEError {
    /// Whether the CA has answered, with a no.
    fileprivate var isRefusal: Bool {
        switch self {
        case .refused, .unknownAccount: true
        default: false
        }
    }
}
