import FoundationEssentials
import Lineages

@testable import Renewal

/// A conversation with the simulated CA.
actor SimulatedExchange: OrderExchange {
    private let name: String
    private let names: [String]
    private let host: SimulatedHost
    private var url: String?
    private var asksForProfile = true

    init(_ request: OrderRequest, _ host: SimulatedHost) {
        (name, names, self.host) = (request.lineage, request.names, host)
    }

    /// Whether the CA answers at all; takes its time.
    func ask() async throws(AcquisitionFailure) {
        guard (try? await host.time.sleep(for: .milliseconds(300))) != nil else {
            throw AcquisitionFailure(Cause(.interrupted, "interrupted"))
        }
        if host.look({ $0.isDead }) { throw AcquisitionFailure(Cause(.interrupted, "killed")) }
        if host.look({ $0.faults.caIsDown }) {
            throw AcquisitionFailure(Cause(.unreachable, "the CA does not answer", isTemporary: true))
        }
    }

    /// The answer gets lost on its way.
    private func answer() throws(AcquisitionFailure) {
        let isLost = host.look { world in world.faults.lostAnswers.map { world.dice.once(in: $0) } ?? false }
        if isLost { throw AcquisitionFailure(Cause(.unreachable, "the answer is lost", isTemporary: true)) }
    }

    func place() async throws(AcquisitionFailure) -> PlacedOrder {
        let (name, names, now) = (name, names, host.realNow)
        host.effect { world in
            world.serial += 1
            world.disk.staged[name] = (world.serial, nil)
        }
        try await ask()
        host.log("order \(name)")
        try limit()
        let url = host.effect { world -> String in
            world.serial += 1
            let live = world.disk.live[name].flatMap { world.disk.archive[name]?[$0]?.leaf.sha256 }
            let url = "https://ca.example/order/\(world.serial)"
            world.orders[url] = SimulatedOrder(
                lineage: name, names: names, live: live, expires: now.addingTimeInterval(7 * 86_400))
            return url
        }
        guard let url = url ?? nil else { throw AcquisitionFailure(Cause(.interrupted, "killed")) }
        try answer()
        self.url = url
        return PlacedOrder(url: url, expires: now.addingTimeInterval(7 * 86_400), isFinalized: false)
    }

    /// What keeps the CA from taking any order.
    private func limit() throws(AcquisitionFailure) {
        let faults = host.look { $0.faults }
        if let limit = faults.limit {
            throw AcquisitionFailure(
                Cause(.rateLimited, "too many", isTemporary: true), retryAfter: limit,
                concernsWholeCA: faults.limitsAccount)
        }
        if let span = faults.unavailable {
            throw AcquisitionFailure(
                Cause(.serverError, "out of service", isTemporary: true), retryAfter: span, concernsWholeCA: true)
        }
    }

    func resume(_ url: String) async throws(AcquisitionFailure) -> PlacedOrder {
        try await ask()
        try refuse()
        let now = host.realNow
        guard let order = host.look({ $0.orders[url] }), order.expires > now, !host.look({ $0.faults.forgetsOrders })
        else {
            host.look { $0.orders[url] = nil }
            throw AcquisitionFailure(Cause(.orderInvalid, "no such order"), .needsNewOrder)
        }
        self.url = url
        return PlacedOrder(url: url, expires: order.expires, isFinalized: order.isFinalized)
    }

    private func refuse() throws(AcquisitionFailure) {
        if host.look({ $0.faults.refusesOrders }) {
            throw AcquisitionFailure(Cause(.refused, "no"), .countsAgainst)
        }
    }

    func validate() async throws(AcquisitionFailure) {
        try await ask()
        try refuse()
        guard let url, let order = host.look({ $0.orders[url] }), !order.isValidated else { return }
        if order.hasLostAuthorization {
            throw AcquisitionFailure(Cause(.orderInvalid, "no such authorization"), .needsNewOrder)
        }
        if host.look({ $0.faults.validatesForEver }) {
            _ = try? await host.time.sleep(for: .seconds(100_000))
            throw AcquisitionFailure(Cause(.interrupted, "interrupted"))
        }
        if host.look({ $0.faults.validatesNothing }) || !isReachable {
            _ = try? await host.time.sleep(for: .seconds(10))
            host.effect { $0.orders[url] = nil }
            throw AcquisitionFailure(Cause(.notValidated, "not validated"), .ends)
        }
        let refused = host.look { $0.faults.refusedNames }.intersection(order.names)
        guard refused.isEmpty else {
            host.effect { $0.orders[url] = nil }
            throw AcquisitionFailure(Cause(.notValidated, "not validated"), .ends, names: refused.sorted())
        }
        host.effect { $0.orders[url]?.isValidated = true }
        host.log("validated \(name)")
        try answer()
    }

    /// Whether the CA finds the answer to its challenge.
    private var isReachable: Bool {
        host.look { world in
            world.standalone.map { $0.contains(name) == world.faults.serverIsDown } ?? true
        }
    }

    func finalize() async throws(AcquisitionFailure) {
        try await ask()
        try refuse()
        guard let url, let order = host.look({ $0.orders[url] }) else {
            throw AcquisitionFailure(Cause(.orderInvalid, "no such order"), .needsNewOrder)
        }
        if host.look({ $0.faults.refusesProfile }), asksForProfile {
            asksForProfile = false
            host.effect { $0.orders[url] = nil }
            throw AcquisitionFailure(Cause(.profile, "no such profile for you"), .needsNewOrder)
        }
        if !order.isFinalized {
            host.log("finalize \(name)")
            finalizeOnce(url, order)
        }
        if host.look({ $0.faults.signsSlowly }) {
            _ = try? await host.time.sleep(for: .seconds(120))
            throw AcquisitionFailure(Cause(.stillPending, "still processing", isTemporary: true))
        }
        try answer()
    }

    private func finalizeOnce(_ url: String, _ order: SimulatedOrder) {
        let (name, now) = (name, host.realNow)
        let version = host.issue(name, order.names, key: host.look { $0.disk.staged[name]?.key ?? 0 })
        host.effect { world in
            let other = world.orders.first { other in
                other.key != url && other.value.lineage == name && other.value.isFinalized && !other.value.isDelivered
                    && !other.value.mayBeReplaced
                    && other.value.live == order.live && other.value.expires > now
            }
            if let other, !world.isForced, !world.stateWasLost, world.faults.clockError == 0 {
                world.violations.append("\(name): \(url) is finalized while \(other.key) may still yield a certificate")
            }
            world.orders[url]?.isFinalized = true
            world.orders[url]?.version = version
        }
    }

    func download() async throws(AcquisitionFailure) {
        try await ask()
        try refuse()
        guard let url, let version = host.look({ $0.orders[url]?.version }) else {
            throw AcquisitionFailure(Cause(.malformed, "no certificate"), .countsAgainst)
        }
        try answer()
        let name = name
        host.effect { world in
            guard let key = world.disk.staged[name]?.key else { return }
            world.disk.staged[name] = (key, version)
            world.orders[url]?.isDelivered = true
        }
    }
}
