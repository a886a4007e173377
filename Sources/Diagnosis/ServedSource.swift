import FoundationEssentials
import Lineages
import PKI
import Renewal

/// Why an endpoint serves another certificate than the one that is installed: which file it is, and the line of nginx's configuration.
enum ServedSource: Equatable, Sendable {
    /// nginx is configured to serve the right file, and has not read it again.
    case notReloaded
    /// nginx's `ssl_certificate` for the name leads to another file: what that is, the directive, where it stands, what should.
    case file(what: String, directive: String, at: String, wanted: String)
    /// No server has the name: another one answers for it. Where the one with the right certificate is, if there is one.
    case noServer(answering: String, right: String?)
    /// The endpoint answers with a header of the PROXY protocol and not without one; or, where none is expected, the other way round.
    case proxyProtocol(isExpected: Bool)
    /// Nothing more is known than what the certificate is, if that.
    case unknown(what: String?)
}

/// Where certificates of this host are: found by the leaf that was served.
struct LeafIndex: Sendable {
    private let places: [[UInt8]: String]

    /// More files than this take longer than anybody waits.
    private static let mostFiles = 20_000

    /// Reads every version of every lineage. Blocks.
    init(_ lineages: [Lineage]) {
        var places: [[UInt8]: String] = [:]
        var count = 0
        for lineage in lineages {
            guard let paths = lineage.paths, let archive = try? Archive(directory: paths.archive) else { continue }
            for version in archive.versions.keys.sorted() where count < LeafIndex.mostFiles {
                count += 1
                let path = archive.path(.cert, version)
                guard let bytes = try? FileSystem.read(path), let leaf = try? Certificate.chain(pem: bytes).first else {
                    continue
                }
                places[leaf.der] =
                    version == lineage.version
                    ? "the certificate of \(lineage.name)" : "version \(version) of \(lineage.name)"
            }
            if let certificate = lineage.certificate { places[certificate.der] = "the certificate of \(lineage.name)" }
        }
        self.places = places
    }

    /// What a leaf is; nil for one that is in no archive.
    func name(of leaf: Certificate) -> String? { places[leaf.der] }
}

extension ServedSource {
    /// Looks into nginx's configuration for the name. Blocks while it reads the files that are named there.
    ///
    /// - Parameters:
    ///   - served: what was served; nil where the handshake failed.
    ///   - live: the directory in which the installed certificate is, `live/NAME`.
    init(
        _ served: Certificate?, name: String, port: Int, expected: Certificate, live: String, index: LeafIndex,
        _ all: [NginxFacts]
    ) {
        let what = served.flatMap(index.name)
        for nginx in all {
            let port = nginx.port(port)
            guard let server = nginx.configuration.server(for: name, at: port) else { continue }
            guard server.isNamed(name) else {
                let right = nginx.configuration.servers.first { other in
                    other.isAt(port)
                        && other.effective("ssl_certificate").contains { directive in
                            directive.arguments.first.flatMap(nginx.leaf)?.der == expected.der
                        }
                }
                self = .noServer(
                    answering: nginx.shown(server.directive), right: right.map { nginx.shown($0.directive) })
                return
            }
            let directives = server.effective("ssl_certificate")
            // A variable is put in at each handshake.
            if directives.contains(where: { $0.arguments.first?.contains("$") ?? false }) { continue }
            let wanted = nginx.inside(FileSystem.resolved(live))
            let isRight = directives.contains { directive in
                guard let path = directive.arguments.first else { return false }
                return path == "\(wanted)/fullchain.pem" || path == "\(nginx.inside(live))/fullchain.pem"
                    || nginx.leaf(path)?.der == expected.der && !ServedSource.isPinned(path)
            }
            if isRight {
                self = .notReloaded
                return
            }
            guard let directive = directives.first, let path = directive.arguments.first else { continue }
            let found = nginx.leaf(path)
            let kind =
                found.flatMap(index.name).map { name in
                    ServedSource.isPinned(path)
                        ? "\(name), pinned by its number" : path.contains("/live/") ? name : "a copy of \(name)"
                } ?? (found == nil ? "a file that cannot be read" : "a file that no renewal changes")
            self = .file(what: kind, directive: directive.text, at: nginx.shown(directive), wanted: wanted)
            return
        }
        self = .unknown(what: what)
    }

    /// Whether a path names one version: `…/archive/NAME/fullchain3.pem`.
    private static func isPinned(_ path: String) -> Bool {
        path.contains("/archive/") && path.dropLast(".pem".count).last?.isNumber == true
    }
}

extension ProbeReport.Observation {
    /// Whether it is worth a look at why.
    var isWrong: Bool {
        switch verdict {
        case .stale: true
        case .other, .broken: isRequired
        case .match, .unreachable: false
        }
    }
}
