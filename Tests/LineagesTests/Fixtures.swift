import FoundationEssentials
import Glibc
import Lineages
import PKI
import Rig
import Testing

/// A tree in certbot's layout, with certificates of a CA of its own.
struct TestTree: Sendable {
    /// The config directory.
    let path: String
    /// For what is not in the tree.
    let directory: String

    var state: String { "\(directory)/state" }

    static func with<R: Sendable>(_ body: (TestTree) async throws -> R) async throws -> R {
        try await TemporaryDirectory.with { directory in
            let tree = TestTree(path: "\(directory)/letsencrypt", directory: directory)
            try await tree.shell(
                """
                umask 022; mkdir letsencrypt && cd letsencrypt && mkdir -m 700 live archive && mkdir renewal
                cd ..; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj "/CN=test CA" \
                    -keyout ca-key.pem -out ca.pem
                """)
            return try await body(tree)
        }
    }

    func tree() throws -> Tree { try Tree(path) }

    func lineage(_ name: String) throws -> Lineage { try tree().lineage(name) }

    func paths(_ name: String) -> LineagePaths { LineagePaths(configDirectory: path, name: name) }

    func installation(_ name: String) -> Installation { Installation(paths: paths(name), stateDirectory: state) }

    /// Runs a script in the directory above the tree.
    @discardableResult
    func shell(_ script: String) async throws -> String {
        try await check("sh", ["-ec", script], directory: directory)
    }

    /// A key and a certificate for it, with the CA's as its chain.
    func issue(_ names: [String], type: KeyType = .ec(.p256)) async throws -> CertificateSet {
        let (key, chain) = try await pair(names, type: type)
        return try CertificateSet(
            key: key, chain: chain, names: names.compactMap { SubjectName($0) }, after: nil, now: Date())
    }

    func pair(_ names: [String], type: KeyType = .ec(.p256)) async throws -> (key: PrivateKey, chain: [UInt8]) {
        let key = try PrivateKey(generating: type)
        let stem = "issued-\(UUID().uuidString)"
        try write("\(directory)/\(stem)-key.pem", key.pem())
        let alternatives = names.map { "DNS:\($0)" }.joined(separator: ",")
        try await shell(
            """
            openssl req -x509 -new -key \(stem)-key.pem -days 5 -subj / -CA ca.pem -CAkey ca-key.pem \
                -addext subjectAltName=\(alternatives) -addext basicConstraints=critical,CA:FALSE -out \(stem).pem
            cat ca.pem >> \(stem).pem
            """)
        return (key, try read("\(directory)/\(stem).pem"))
    }

    /// A lineage of one version, as certbot would have made it.
    @discardableResult
    func add(_ name: String, names: [String]? = nil, conf: String? = nil) async throws -> CertificateSet {
        let set = try await issue(names ?? [name])
        try await shell("cd letsencrypt; umask 022; mkdir archive/\(name) live/\(name); echo > live/\(name)/README")
        try archive(set, name, 1)
        for kind in PEMKind.allCases {
            try await shell(
                """
                cd letsencrypt/live/\(name)
                ln -s ../../archive/\(name)/\(kind.rawValue)1.pem \(kind.rawValue).pem
                """)
        }
        try write("\(path)/renewal/\(name).conf", Array((conf ?? self.conf(name)).utf8))
        return set
    }

    /// Writes a version's files.
    func archive(_ set: CertificateSet, _ name: String, _ version: Int) throws {
        for kind in PEMKind.allCases {
            let file = "\(path)/archive/\(name)/\(kind.rawValue)\(version).pem"
            try write(file, set.bytes(kind))
            chmod(file, kind == .privkey ? 0o600 : 0o644)
        }
    }

    func conf(_ name: String, params: String = "authenticator = webroot\nserver = https://ca.example/dir\n") -> String {
        """
        version = 2.1.0
        archive_dir = \(path)/archive/\(name)
        cert = \(path)/live/\(name)/cert.pem
        privkey = \(path)/live/\(name)/privkey.pem
        chain = \(path)/live/\(name)/chain.pem
        fullchain = \(path)/live/\(name)/fullchain.pem

        [renewalparams]
        \(params)
        """
    }

    func live(_ name: String, _ kind: PEMKind) -> String { "\(path)/live/\(name)/\(kind.rawValue).pem" }

    /// What the four links of a lineage say.
    func links(_ name: String) throws -> [String] {
        try PEMKind.allCases.map { try FileSystem.linkText(live(name, $0)) }
    }

    /// Every name below the tree, `find` sorted.
    func listing() async throws -> [String] {
        try await shell("cd letsencrypt; find . -mindepth 1 | LC_ALL=C sort").split(separator: "\n").map(String.init)
    }
}

func write(_ path: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: path)) }

func write(_ path: String, _ text: String) throws { try write(path, Array(text.utf8)) }

func read(_ path: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(filePath: path))) }

func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

let isRoot = getuid() == 0

/// What a closure takes of the processor, whatever else runs on the machine.
func cpuTime(_ body: () -> Void) -> Duration {
    func now() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
    let start = now()
    body()
    return now() - start
}
