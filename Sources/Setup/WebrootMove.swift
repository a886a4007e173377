package import Lineages
import PKI

/// The change of a lineage that certbot's nginx or apache plugin renews, neither of which certctl has, to files in a webroot.
package struct WebrootMove: Equatable, Sendable {
    /// The lineage's name.
    package let lineage: String
    let path: String
    let before: [UInt8]
    let after: [UInt8]
    let webroot: String

    /// The plugins of certbot's that certctl does not have, and whose challenges a webroot can take over.
    static let authenticators: Set<String> = ["nginx", "apache"]

    private static let section = ["renewalparams"]
    private static let map = ["renewalparams", "webroot_map"]

    /// Those of a tree's lineages that could be moved.
    package static func candidates(among lineages: [Lineage]) -> [Lineage] {
        lineages.filter { lineage in
            lineage.fatalProblem == nil && lineage.original == nil && lineage.conf != nil
                && lineage.options?.authenticator.map(authenticators.contains) == true
                && lineage.certificate?.names.contains(where: \.isWildcard) == false
        }
    }

    /// Moves a lineage to a webroot, which has to be there.
    package init(_ lineage: Lineage, to webroot: String) throws(SetupFailure) {
        guard (try? FileSystem.status(webroot, followingLinks: true))?.kind == .directory else {
            throw SetupFailure(
                "\(lineage.name): there is no directory \(webroot)",
                next: "make it, have nginx serve /.well-known/acme-challenge/ from it, and run this again")
        }
        guard var conf = lineage.conf else { throw SetupFailure("\(lineage.name): its renewal config cannot be read") }
        before = conf.bytes
        do throws(ConfError) {
            try conf.set("authenticator", to: .string("webroot"), in: WebrootMove.section)
            conf.remove("installer", in: WebrootMove.section)
            try conf.set("webroot_path", to: .list([webroot]), in: WebrootMove.section)
            for name in conf.webrootNames { conf.remove(name, in: WebrootMove.map) }
            for name in lineage.certificate?.names ?? [] {
                try conf.set(name.description, to: .string(webroot), in: WebrootMove.map)
            }
        } catch {
            throw SetupFailure("\(lineage.confPath) cannot be rewritten faithfully: \(error)")
        }
        after = conf.bytes
        self.lineage = lineage.name
        self.webroot = webroot
        // A conf that is a link stays one.
        path = FileSystem.resolved(lineage.confPath)
    }

    /// The lines that go and come, as diff shows them.
    var difference: [String] {
        let (old, new) = (WebrootMove.lines(before), WebrootMove.lines(after))
        return new.difference(from: old).map { change in
            switch change {
            case .remove(_, let line, _): "- \(line)"
            case .insert(_, let line, _): "+ \(line)"
            }
        }
    }

    private static func lines(_ bytes: [UInt8]) -> [Substring] {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    }

    /// How names are proven, as a former conf had it, in the conf of now.
    static func takingBack(_ conf: ConfFile, to former: ConfFile) throws(ConfError) -> [UInt8] {
        var conf = conf
        for key in ["authenticator", "installer", "webroot_path"] {
            if let value = former.value(key, in: section) {
                try conf.set(key, to: value, in: section)
            } else {
                conf.remove(key, in: section)
            }
        }
        if former.hasSection(map) {
            for name in conf.keys(in: map) { conf.remove(name, in: map) }
            for name in former.keys(in: map) {
                if let value = former.value(name, in: map) { try conf.set(name, to: value, in: map) }
            }
        } else {
            conf.removeSection(map)
        }
        return conf.bytes
    }
}
