/* What a process must have in place before anything else of it runs: its standard streams, the signals that ask it to
   stop, and a last line when it crashes. Everything here is callable from a signal handler, except where said. */
#ifndef LOCKSTEP_PROCESS_H
#define LOCKSTEP_PROCESS_H

#include <stdint.h>

/* The number of the signal that asked this process to stop; 0 where none did. */
int lockstep_stop_signal(void);
void lockstep_set_stop_signal(int number);

/* From now on SIGUSR1, SIGTERM, SIGINT and SIGHUP only set the number above. A second SIGINT ends the process with 130.
   SIGHUP stays ignored where it was ignored at start, as under nohup. */
void lockstep_install_stop_handlers(void);
/* From now on these signals end the process again, and one that came meanwhile ends it now. */
void lockstep_remove_stop_handlers(void);

/* To be called directly before execve: signals that ask to stop wait until the new image has its handlers, and a request
   that came before goes with them. The second function takes that back where execve returned. */
void lockstep_before_exec(void);
void lockstep_after_failed_exec(void);

/* Where the process is, for the line of a crash; a step below 0 means none. Called by one thread. */
void lockstep_note_phase(int64_t step, const char *name);

#endif
