import Lineages
import PKI

/// What the DNS holds for dns-01: where a challenge's record is to be, and which servers have it (RFC 8555 §8.4).
package struct ChallengeDNS: Sendable {
    /// The server that is asked for everything but the record itself; nil is the system's first.
    package var resolver: DNSServer?
    /// The port of authoritative servers, 53 everywhere but in a test.
    package var port: Int

    package init(resolver: DNSServer? = nil, port: Int = 53) { (self.resolver, self.port) = (resolver, port) }

    /// As many CNAMEs as resolvers follow.
    static let mostLinks = 10
    /// A zone has fewer servers; more would only take time.
    static let mostServers = 16
    /// How long one question may take.
    static let timeout: Duration = .seconds(5)
    static let resolvConf = "/etc/resolv.conf"

    /// Why the DNS does not say.
    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
        /// Whether CNAMEs lead in a circle, or too far.
        package var isLoop = false
        /// Whether servers have answered, so that asking again brings nothing else.
        package var isAnswer = false
    }

    /// The name of a challenge's record before any CNAME is followed.
    package static func ownRecord(of identifier: String) -> String { "_acme-challenge.\(identifier)" }

    /// The name that a record's CNAMEs lead to; the record's own where it has none.
    package func followed(_ record: String) async throws(Failure) -> String {
        try await offThread(ChallengeDNS.timeout * ChallengeDNS.mostLinks) { () throws(Failure) in
            let resolver = try server()
            var seen = [record.lowercased()]
            while seen.count <= ChallengeDNS.mostLinks {
                let name = seen[seen.count - 1]
                let answer = try ask(resolver, name, .cname)
                guard let target = answer.records(.cname).first(where: { $0.owner == name })?.target else {
                    return name
                }
                guard !seen.contains(target) else {
                    throw Failure(
                        description:
                            "the CNAMEs of \(record) lead in a circle: \((seen + [target]).joined(separator: " → "))",
                        isLoop: true)
                }
                seen.append(target)
            }
            throw Failure(description: "\(record) leads over more than \(ChallengeDNS.mostLinks) CNAMEs", isLoop: true)
        }
    }

    /// One authoritative server of a zone.
    package struct Authority: Hashable, Sendable {
        /// Its name, as the zone has it.
        package let name: String
        let address: SubjectName

        package var description: String { "\(name) (\(address))" }
    }

    /// The zone that a record is in, and its servers.
    package func authorities(of record: String) async throws(Failure) -> (zone: String, servers: [Authority]) {
        try await offThread(ChallengeDNS.timeout * 10) { () throws(Failure) in
            let resolver = try server()
            var labels = record.lowercased().split(separator: ".")[...]
            while !labels.isEmpty {
                let zone = labels.joined(separator: ".")
                let names = try ask(resolver, zone, .ns).records(.ns).filter { $0.owner == zone }.compactMap(\.target)
                if names.isEmpty {
                    labels = labels.dropFirst()
                    continue
                }
                var servers: [Authority] = []
                for name in names.sorted() where servers.count < ChallengeDNS.mostServers {
                    for kind in [DNSMessage.Kind.a, .aaaa] {
                        guard let answer = try? ask(resolver, name, kind) else { continue }
                        servers += answer.records(kind).map { Authority(name: name, address: .ip($0.data)) }
                    }
                }
                guard !servers.isEmpty else {
                    throw Failure(
                        description:
                            "the servers of the zone \(zone) have no addresses: \(names.joined(separator: ", "))",
                        isAnswer: true)
                }
                return (zone, Array(servers.prefix(ChallengeDNS.mostServers)))
            }
            throw Failure(description: "no name above it has NS records", isAnswer: true)
        }
    }

    /// What an authoritative server has under a name.
    package enum Holding: Hashable, Sendable {
        case texts([String])
        case silent(String)
    }

    /// The TXT records that a server has.
    package func texts(of record: String, at authority: Authority) async -> Holding {
        do throws(Failure) {
            return try await offThread(ChallengeDNS.timeout) { () throws(Failure) in
                guard let server = DNSServer(address: authority.address, port: port) else {
                    throw Failure(description: "\(authority.description) cannot be asked")
                }
                do throws(DNSServer.Failure) {
                    let answer = try server.ask(record, .txt, within: ChallengeDNS.timeout, isRecursive: false)
                    guard answer.code == 0 || answer.code == 3 else { return .silent("error \(answer.code)") }
                    return .texts(answer.records(.txt).map(\.text))
                } catch {
                    throw Failure(description: error.description)
                }
            }
        } catch {
            return .silent(error.description)
        }
    }

    /// Servers of a zone that answer, and do not have a value yet; nil where none of them answers.
    func lacking(_ value: String, in record: String, at authorities: [Authority]) async -> [Authority]? {
        let found = await sideBySide(authorities) { await texts(of: record, at: $0) }
        let answered = zip(authorities, found).compactMap { authority, holding -> (Authority, [String])? in
            if case .texts(let texts) = holding { (authority, texts) } else { nil }
        }
        return answered.isEmpty ? nil : answered.filter { !$0.1.contains(value) }.map(\.0)
    }

    private func server() throws(Failure) -> DNSServer {
        if let resolver { return resolver }
        let text = (try? FileSystem.read(ChallengeDNS.resolvConf)).map { String(decoding: $0, as: UTF8.self) }
        guard let server = text.flatMap(DNSServer.ofSystem) else {
            throw Failure(description: "\(ChallengeDNS.resolvConf) names no DNS server")
        }
        return server
    }

    private func ask(
        _ server: DNSServer, _ name: String, _ kind: DNSMessage.Kind
    ) throws(Failure) -> DNSMessage.Answer {
        do throws(DNSServer.Failure) {
            let answer = try server.ask(name, kind, within: ChallengeDNS.timeout)
            guard answer.code == 0 || answer.code == 3 else {
                throw DNSServer.Failure(description: "\(server) answers with error \(answer.code) for \(name)")
            }
            return answer
        } catch {
            throw Failure(description: error.description)
        }
    }

    private func offThread<T: Sendable>(
        _ limit: Duration, _ body: @escaping @Sendable () throws(Failure) -> T
    ) async throws(Failure) -> T {
        let result = await OffThread.value(within: limit) { () -> Result<T, Failure> in
            do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
        }
        guard let result else {
            throw Failure(description: "the DNS did not answer within \(limit.components.seconds) s")
        }
        return try result.get()
    }
}
