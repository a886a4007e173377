import FoundationEssentials
import Lineages

/// Remedies for the config directory and for the files of certificates.
extension Fault {
    var configDirectory: Remedy? {
        switch self {
        case .configDirectoryMissing:
            .do("name the config directory with --config-dir; or get a first certificate: certctl issue -d NAME")
        case .configDirectoryForbidden: .run("sudo certctl doctor")
        case .configDirectoryUnreadable(let path):
            .do("make \(path) and \(path)/renewal directories that root can read, or restore them from a backup")
        case .fileMalformed(let path): .do("correct the line in \(path)")
        case .noCertificate: .do("get a first certificate: certctl issue -d NAME")
        default: nil
        }
    }

    static func remedy(_ code: LineageProblem.Code, _ subject: FaultSubject) -> Remedy? {
        switch subject.repair {
        case .repair: return .run("certctl repair \(subject.name.shellWord)")
        case .editor(let path, let line):
            return .do(
                "correct \(path)\(line.map { ", line \($0)" } ?? ""): editor \(line.map { "+\($0) " } ?? "")\(path.shellWord)"
            )
        case .person(let text): return .do(text, by: .person)
        case .issueWithoutConf, .issue, nil: break
        }
        return byCode(code, subject)
    }

    static func byCode(_ code: LineageProblem.Code, _ subject: FaultSubject) -> Remedy? {
        switch code {
        case .confUnreadable: .do("make \(subject.conf) a file that root can read, or restore it from a backup")
        // Without it no certificate is known, so that none of it is a command to paste.
        case .confMalformed, .confIncomplete:
            .do(
                "restore \(subject.conf) from a backup; or move it away, run \(subject.issueCommand()), and move it back "
                    + "should that fail")
        case .anotherTree:
            .do("name that config directory with --config-dir; or correct the paths in \(subject.conf)")
        case .optionInvalid, .optionIgnored, .optionMisplaced, .optionMisspelled, .renewBeforeExpiry:
            .do("correct the line in \(subject.conf)")
        case .unreadable: .do("make what \(subject.live) leads to readable for root, or restore it from a backup")
        case .newerVersion: .renew([subject.name], cost: .free)
        case .revoked: .replacing(subject.name)
        case .hookFailed, .renewalFailed, .servedWrongly, .namesOmitted: nil
        case .liveMissing, .liveNotALink, .liveInconsistent, .certificateMalformed, .keyMalformed, .keyMismatch,
            .fullchainMismatch, .movedTree, .archiveDamaged:
            subject.reissue()
        }
    }

    var certificate: Remedy? {
        switch self {
        case .confMissing(let subject, canRepair: true): .run("certctl repair \(subject.name.shellWord)")
        case .confMissing(let subject, canRepair: false):
            .do(
                "restore \(subject.conf) from a backup, or make it again: \(subject.issueCommand()); a certificate that is not needed: certctl delete \(subject.name.shellWord)",
                cost: .order)
        case .mustStaple(let conf): .run("sed -i '/^must_staple/d' \(conf.shellWord)")
        case .chain(let name): .renew([name], isForced: true)
        case .expired(let name): .renew([name])
        case .revoked(let name): .replacing(name)
        case .namesOmitted(let name, let names):
            .do(
                "correct what the CA says of \(names.count == 1 ? "it" : "them"), then: certctl renew --force \(name.shellWord); or go without: certctl names \(name.shellWord)"
                    + names.map { " --remove \($0)" }.joined(), cost: .order)
        case .notYetValid(let name):
            .do("see that the clock is right; if it is: certctl renew --force \(name.shellWord)", cost: .order)
        case .clock(.timedatectl, _): .run("timedatectl set-ntp true")
        case .clock(.chrony, _): .run("chronyc makestep")
        case .clock(.none, let right?):
            .run("date -u -s '\(right.formatted(.iso8601))' && apt-get install systemd-timesyncd")
        case .clock(.none, nil):
            .do("set the clock with date -s, and install something that keeps it: systemd-timesyncd")
        default: nil
        }
    }
}
