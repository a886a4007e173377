import ACME
import FoundationEssentials
import HTTP
import Lineages
import PKI

/// The conversation with a real CA about one certificate, with the key and the chain in a staging directory.
actor CAExchange: OrderExchange {
    private var certification: Certification
    private let issuance: Issuance
    private let staging: any StagingArea
    /// What is installed, and what this host trusts: a chain that leads nowhere is not taken where another one does.
    private let predecessor: [Certificate]
    private let trust: TrustStore
    private let rehearsal: Rehearsal?
    private let report: @Sendable (Issuance.Step) -> Void
    private var key: PrivateKey?
    private var order: Issuance.PlacedOrder?
    private var certificateURL: String?

    /// How a dry run goes about names that the CA has validated already.
    enum Rehearsal: Sendable {
        /// They are reported: somebody may have validated them by hand.
        case reports
        /// They are validated again. Only in a staging environment.
        case deactivates
    }

    /// - Parameter rehearsal: set for a dry run.
    init(
        _ certification: Certification, client: Client, solver: (any ChallengeSolver)? = nil, staging: any StagingArea,
        predecessor: [Certificate] = [],
        trust: TrustStore = TrustStore(files: [], directories: []), rehearsal: Rehearsal? = nil,
        report: @escaping @Sendable (Issuance.Step) -> Void
    ) {
        (self.certification, self.staging, self.rehearsal) = (certification, staging, rehearsal)
        (self.predecessor, self.trust, self.report) = (predecessor, trust, report)
        issuance = Issuance(client: client, solver: solver ?? certification.solver, report: report)
    }

    func place() async throws(AcquisitionFailure) -> PlacedOrder {
        do {
            let key = try certification.key.make()
            try staging.stage(key: try key.pem())
            let placed = try await placed()
            (self.key, order) = (key, placed)
            return PlacedOrder(placed)
        } catch {
            throw AcquisitionFailure(error)
        }
    }

    private func placed() async throws(ACMEError) -> Issuance.PlacedOrder {
        let (names, parameters) = (certification.names, certification.parameters)
        guard let rehearsal else { return try await issuance.place(names, parameters: parameters) }
        let (placed, notValidated) = try await issuance.placeRehearsal(
            names, parameters: parameters, deactivating: rehearsal == .deactivates)
        for authorization in notValidated { report(.notValidated(authorization)) }
        return placed
    }

    func resume(_ url: String) async throws(AcquisitionFailure) -> PlacedOrder {
        guard let pem = staging.key, let staged = try? PrivateKey(pem: pem), certification.key.takes(staged) else {
            throw AcquisitionFailure(Cause(.orderInvalid, "the key of the order is not there any more"), .ends)
        }
        do {
            let placed = try await issuance.placed(at: url)
            (key, order) = (staged, placed)
            return PlacedOrder(placed)
        } catch {
            throw AcquisitionFailure(error)
        }
    }

    func validate() async throws(AcquisitionFailure) {
        guard let order else { return }
        do {
            self.order = try await issuance.proven(order)
        } catch {
            throw AcquisitionFailure(error)
        }
    }

    func finalize() async throws(AcquisitionFailure) {
        guard let order, let key else { return }
        do {
            let request = try SigningRequest(for: certification.names, key: key, mustStaple: certification.mustStaple)
            certificateURL = try await issuance.issued(order, request: request)
        } catch let error as ACMEError {
            guard let parameters = issuance.parameters(certification.parameters, after: error) else {
                throw AcquisitionFailure(error)
            }
            certification.parameters = parameters
            throw AcquisitionFailure(Cause(error), .needsNewOrder)
        } catch {
            throw AcquisitionFailure(error)
        }
    }

    func download() async throws(AcquisitionFailure) {
        guard let certificateURL else { return }
        do {
            // Whatever keeps the chain from being fetched, the order has it.
            let pem = try await issuance.chain(at: certificateURL, parameters: certification.parameters) { pem in
                guard let chain = try? Certificate.chain(pem: pem) else { return false }
                if case .leadsNowhere? = try? ChainPath.judge(chain, after: predecessor, trust: trust) { return false }
                return true
            }
            try staging.stage(chain: completed(pem))
        } catch {
            throw AcquisitionFailure(error)
        }
    }
}

extension CAExchange {
    /// A chain that leads nowhere, with the issuers that the installed one has, if they verify it.
    private func completed(_ pem: [UInt8]) -> [UInt8] {
        guard let chain = try? Certificate.chain(pem: pem),
            case .leadsNowhere? = try? ChainPath.judge(chain, after: predecessor, trust: trust),
            let whole = try? ChainPath.completed(chain, from: predecessor, trust: trust)
        else { return pem }
        return (try? ChainPath.pem(whole)) ?? pem
    }
}

/// Where the key and the chain of a certificate in the making are kept.
protocol StagingArea: Sendable {
    var key: [UInt8]? { get }
    func stage(key pem: [UInt8]) throws(FileError)
    func stage(chain pem: [UInt8]) throws(FileError)
}

extension Staging: StagingArea {}

extension PlacedOrder {
    fileprivate init(_ order: Issuance.PlacedOrder) {
        self.init(
            url: order.url, expires: order.expires, isFinalized: [.processing, .valid].contains(order.status))
    }
}

extension AcquisitionFailure {
    /// What an error of an exchange with a CA says.
    init(_ error: any Error, stage: RenewalFailure.Stage = .issuance) {
        let acme = error as? ACMEError
        let verdict: Verdict =
            switch acme?.orderFault {
            case nil: .keeps
            case .refused: .countsAgainst
            case .failed: .ends
            case .gone, .authorizationGone: .needsNewOrder
            }
        self.init(
            Cause(error), verdict, stage: stage, retryAfter: acme?.retryAfter,
            concernsWholeCA: acme?.isOfWholeCA ?? false, names: acme?.refusedNames ?? [])
    }
}

extension ACMEError {
    /// What the CA's Retry-After says, in seconds.
    fileprivate var retryAfter: TimeInterval? {
        if case .refused(_, let retryAfter) = self { retryAfter.map { $0 / .seconds(1) } } else { nil }
    }

    /// Whether every other order of this account would meet the same.
    fileprivate var isOfWholeCA: Bool {
        switch self {
        case .refused(let problem, _):
            // Let's Encrypt's limits are distinguished by the anchor of the page that the detail links to.
            problem.status == 503 || problem.detail?.contains("#new-orders-per-account") == true
        case .unreachable: true
        default: false
        }
    }
}
