import java.io.BufferedInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/**
 * Reads a zip from its start, as a stream, without its directory: what lies between the entries, or stands wrong in front of
 * one, is found this way only. {@code java ReadZip <zip>} prints name, size and CRC-32 of each entry, separated by tabs.
 */
public final class ReadZip {
    private ReadZip() {}

    public static void main(String[] args) throws IOException {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(Files.newInputStream(Path.of(args[0]))))) {
            byte[] buffer = new byte[1 << 16];
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                CRC32 crc = new CRC32();
                long size = 0;
                for (int read = zip.read(buffer); read >= 0; read = zip.read(buffer)) {
                    crc.update(buffer, 0, read);
                    size += read;
                }
                out.println(entry.getName() + "\t" + size + "\t" + crc.getValue());
            }
        }
    }
}
