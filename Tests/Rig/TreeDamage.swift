import Testing

/// What trees are found with: a damage of the certificate `one`, whose versions 1 and 2 are in the archive and whose version 2 is
/// installed. The certificate `two` is there with one version, and `../ca.pem` has a certificate.
package struct TreeDamage: Sendable, CustomTestStringConvertible {
    package let testDescription: String
    /// Run in the config directory.
    private let script: String
    /// The version that is installed after a repair.
    package let version: Int
    /// The version whose certificate that is.
    package let isOf: Int

    package init(_ name: String, version: Int = 2, isOf: Int = 2, _ script: String) {
        (testDescription, self.script, self.version, self.isOf) = (name, script, version, isOf)
    }

    /// The script for `sh -e`, to be run in the config directory.
    package var command: String { TreeDamage.preamble + script }

    /// `each` gives the four kinds to a command, as `$k`.
    private static let preamble = """
        each() { for k in privkey cert chain fullchain; do eval "$1"; done; }
        L=live/one A=archive/one

        """

    package static let all: [TreeDamage] = [
        TreeDamage(
            "files in place of symlinks, with the same bytes in the archive",
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem'"),
        TreeDamage(
            "files in place of symlinks that are in no version",
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'"),
        TreeDamage(
            "files in place of symlinks, and other lines' ends",
            "each 'sed s/$/\\r/ $A/${k}2.pem > x; rm $L/$k.pem; mv x $L/$k.pem'"),
        TreeDamage(
            "files in place of symlinks, and no archive", version: 1,
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem'; rm -r $A"),
        TreeDamage("one file in place of a symlink", "cp --remove-destination $A/cert2.pem $L/cert.pem"),
        TreeDamage(
            "a key and a fullchain alone in live", version: 3,
            "each 'cp --remove-destination $A/${k}2.pem $L/$k.pem; rm $A/${k}2.pem'; rm $L/cert.pem $L/chain.pem; touch $A/cert2.pem"
        ),
        TreeDamage("one missing symlink", "rm $L/chain.pem"),
        TreeDamage("all symlinks missing", "rm $L/*.pem"),
        TreeDamage("no directory in live", "rm -r $L"),
        TreeDamage("a dangling symlink", "ln -sfn ../../archive/one/privkey9.pem $L/privkey.pem"),
        TreeDamage("four dangling symlinks", "each 'ln -sfn ../../archive/one/${k}9.pem $L/$k.pem'"),
        TreeDamage("symlinks to a directory that is gone", "each 'ln -sfn /nowhere/archive/one/${k}2.pem $L/$k.pem'"),
        TreeDamage(
            "mixed versions",
            "ln -sfn ../../archive/one/cert1.pem $L/cert.pem; ln -sfn ../../archive/one/privkey1.pem $L/privkey.pem"),
        TreeDamage("a symlink to another kind", "ln -sfn ../../archive/one/chain2.pem $L/cert.pem"),
        TreeDamage(
            "symlinks into another certificate's archive", "each 'ln -sfn ../../archive/two/${k}1.pem $L/$k.pem'"),
        TreeDamage(
            "one symlink into another certificate's archive", "ln -sfn ../../archive/two/privkey1.pem $L/privkey.pem"),
        TreeDamage(
            "its own files in another directory of the archive", version: 2, isOf: 2,
            "mkdir archive/one-0001; each 'mv $A/${k}2.pem archive/one-0001/${k}1.pem; ln -sfn ../../archive/one-0001/${k}1.pem $L/$k.pem'"
        ),
        TreeDamage("a renamed directory of the archive", "mv $A archive/one-old"),
        TreeDamage(
            "a renamed directory of the archive, and an empty one in its place", "mv $A archive/one-old; mkdir $A"),
        TreeDamage("a renamed directory of the archive, and no symlinks", "mv $A archive/one-old; rm $L/*.pem"),
        TreeDamage("renamed directories of the archive and of live", "mv $A archive/one-old; mv $L live/one-old"),
        TreeDamage("a renamed directory of live", "mv $L live/other"),
        TreeDamage("a renamed renewal config", "mv renewal/one.conf renewal/one.conf.bak"),
        TreeDamage("a renewal config with a date in its name", "mv renewal/one.conf renewal/one.conf.2026-11-01"),
        TreeDamage(
            "a complete set of previous symlinks", "each 'ln -s ../../archive/one/${k}1.pem $L/previous_$k.pem'"),
        TreeDamage("a dangling previous symlink", "ln -s ../../archive/one/cert9.pem $L/previous_cert.pem"),
        TreeDamage(
            "an update of certbot's that was cut short",
            "each 'ln -s ../../archive/one/${k}1.pem $L/previous_$k.pem'; rm $L/cert.pem"),
        TreeDamage("a named pipe in live", "rm $L/privkey.pem; mkfifo $L/privkey.pem"),
        TreeDamage("a named pipe in the archive", "mkfifo $A/cert3.pem"),
        TreeDamage("a newer version of empty files", "each 'touch $A/${k}3.pem'"),
        TreeDamage(
            "a newer version of empty files that is live",
            "each 'touch $A/${k}3.pem; ln -sfn ../../archive/one/${k}3.pem $L/$k.pem'"),
        TreeDamage(
            "a newer version with a key that does not fit",
            "each 'cp $A/${k}2.pem $A/${k}3.pem'; cp archive/two/privkey1.pem $A/privkey3.pem"),
        TreeDamage("a key that does not fit", version: 1, isOf: 1, "cp archive/two/privkey1.pem $A/privkey2.pem"),
        TreeDamage(
            "an encrypted key", version: 1, isOf: 1,
            "openssl ec -aes128 -passout pass:x -in $A/privkey2.pem -out x 2>/dev/null; mv x $A/privkey2.pem"),
        TreeDamage(
            "a key that is an RSA key of no use", version: 1, isOf: 1,
            "openssl genrsa -out $A/privkey2.pem 1024 2>/dev/null"),
        TreeDamage(
            "the keys of two versions swapped", version: 3,
            "mv $A/privkey1.pem x; mv $A/privkey2.pem $A/privkey1.pem; mv x $A/privkey2.pem"),
        TreeDamage("a truncated certificate", version: 3, "truncate -s 100 $A/cert2.pem"),
        TreeDamage("a truncated fullchain", version: 3, "truncate -s 100 $A/fullchain2.pem"),
        TreeDamage(
            "another certificate's fullchain", version: 3,
            "cp archive/two/fullchain1.pem $A/fullchain2.pem; rm $A/chain2.pem; cp ../ca.pem $A/chain2.pem; cat $A/cert2.pem $A/chain2.pem > $L/combined.pem"
        ),
        TreeDamage("a file of a version missing", version: 3, "rm $A/chain2.pem"),
        TreeDamage(
            "a dummy certificate that nginx was to start with",
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout k.pem -out c.pem -subj /CN=localhost 2>/dev/null; rm $L/*.pem; cp k.pem $L/privkey.pem; cp c.pem $L/fullchain.pem; cp c.pem $L/cert.pem; cp c.pem $L/chain.pem; rm k.pem c.pem"
        ),
        TreeDamage("paths to where the directory was", "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf"),
        TreeDamage(
            "paths and symlinks to where the directory was",
            "sed -i \"s,$PWD,/nowhere/letsencrypt,\" renewal/one.conf; each 'ln -sfn /nowhere/letsencrypt/archive/one/${k}2.pem $L/$k.pem'"
        ),
        TreeDamage("a renewal config without some paths", "sed -i '/^fullchain/d; /^chain/d' renewal/one.conf"),
        TreeDamage(
            "an empty renewal config with a copy", "cp renewal/one.conf renewal/one.conf.bak; : > renewal/one.conf"),
        TreeDamage(
            "a truncated renewal config, and certbot's new one",
            "cp renewal/one.conf renewal/one.conf.new; truncate -s 30 renewal/one.conf"),
        TreeDamage(
            "a named pipe in place of the renewal config, with a copy",
            "mv renewal/one.conf renewal/one.conf~; mkfifo renewal/one.conf"),
        TreeDamage("a comment in Latin-1", "printf '# f\\374r uns\\n' >> renewal/one.conf"),
    ]
}
