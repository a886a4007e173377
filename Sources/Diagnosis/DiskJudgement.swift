import Glibc
import Lineages
import Renewal

/// Whether files can be written where a renewal writes them.
enum DiskJudgement {
    static let ids: [CheckID] = [.diskFull, .diskReadOnly]

    /// - Parameter directories: that have to take files, those that are not there included.
    static func findings(_ directories: [String]) -> Findings {
        var all = Findings()
        for directory in directories {
            guard let place = deepest(directory) else { continue }
            var findings = Findings()
            do throws(FileError) {
                try FileSystem.requireWritable(place)
            } catch {
                switch error.code {
                case ENOSPC, EDQUOT:
                    findings.fail(
                        .diskFull, at: directory, "\(error)", .diskFull(place))
                case EROFS:
                    findings.fail(
                        .diskReadOnly, at: directory, "\(error)", .diskReadOnly(place))
                case EPERM where geteuid() == 0:
                    findings.fail(
                        .diskReadOnly, at: directory, "\(error), not even for root: it is immutable (lsattr -d)",
                        .immutable(place), title: "a directory is immutable")
                case EACCES where geteuid() == 0:
                    findings.fail(
                        .diskReadOnly, at: directory, "\(error), not even for root", .writeRefused(place),
                        title: "root may not write to a directory")
                case EACCES, EPERM:
                    findings.skip(ids, at: directory, because: "\(error): run it as root")
                default: findings.skip(ids, at: directory, because: "\(error)")
                }
            }
            findings.pass(ids, at: directory)
            all += findings
        }
        return all
    }

    /// The directory, or the one above it where it would be made.
    private static func deepest(_ path: String) -> String? {
        var path = path
        while (try? FileSystem.status(path, followingLinks: true)) ?? nil == nil {
            guard path != "/", let parent = FileSystem.directory(of: path) else { return nil }
            path = parent
        }
        return path
    }
}
