/* What Linux and glibc 2.28 have and Swift's Glibc module does not show. No system header: types that both modules define are ambiguous. */
int renameat2(int source_folder, const char *source, int target_folder, const char *target, unsigned int flags);

/* Memory without a file that other processes can map. */
int memfd_create(const char *name, unsigned int flags);

enum {
  LINUX_MFD_CLOEXEC = 1,
  LINUX_RENAME_EXCHANGE = 2,
  LINUX_SEEK_HOLE = 4,
  /* To be given with O_DIRECTORY. */
  LINUX_O_TMPFILE = 020000000
};
