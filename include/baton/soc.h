/* SPDX-License-Identifier: MIT
 * baton: baton/soc.h: the SOCKETS(BS2000) calls on Linux, and the handoff of live connections.
 *
 * Every call of the manual is here under the prefix soc_. Programs that use the manual's plain names (sendmsg, select
 * ...) include <sys.socket.h> of the package baton-bs2000 instead, which reaches the same functions.
 *
 * Descriptors are real ones: read(2), poll(2), epoll(7), fcntl(2) work on a TCP end point before and after its move.
 * Calls return -1 and set errno on failure; soc_error_text() says in a sentence what was wrong and what to do.
 * Threads: every call may be made from any thread.
 */
#ifndef BATON_SOC_H
#define BATON_SOC_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Numbers. The manual states no values: these are baton's, not Fujitsu's.
 */
#define AF_ISO 200
#define PF_ISO AF_ISO
#define SOL_TRANSPORT 0xfffe

#define TPOPT_CONN_DATA 0x400 /* data that goes with a connection request, at most 32 octets */
#define TPOPT_DISC_DATA 0x500 /* data that goes with a disconnect, at most 64 octets */
#define TPOPT_CFRM_DATA 0x600 /* data that goes with a confirmation, at most 32 octets */

#define TPOPT_REDI_DATA 0x1000
#define TPOPT_REDI_BDOK 0x1001
#define TPOPT_REDI_CALL 0x1002
#define REDBIND_OK 1
#define TSAPNAMMAXLEN 32

/* baton's own options of an AF_ISO connection, level SOL_TRANSPORT, value int. */
/* ms that a blocking call waits for the partner of a move; 0 = for ever (default) */
#define TPOPT_MOVE_TIMEOUT 0x1010
/* ms that a connection request waits for its answer; default 30000 */
#define TPOPT_CONNECT_TIMEOUT 0x1011
/* octets of a TPDU: before connect what is proposed (128, 256 ... 32768, 65531; default 2048, on this host always
 * 65531), then what was agreed */
#define TPOPT_TPDU_SIZE 0x1014
/* read only: octets of a TSDU that a short write has left owed; the next write begins with them */
#define TPOPT_OWED 0x1015
/* read only: the reason in the partner's disconnect request, 0 to 255 (RFC 905 13.5.3); ENOTCONN: there was none */
#define TPOPT_DISC_REASON 0x1016
/* read only: express moves that the partner takes now (its credit, less what is under way); 0 before it has said so.
 * ECONNRESET: the link has ended, and all that was in it has been read */
#define TPOPT_CREDIT 0x1017
/* read only, value struct sockaddr_in or sockaddr_in6: the two ends of an AF_ISO connection to another host, or where a
 * listening socket takes connections from other hosts; ENOTCONN: there is no TCP connection */
#define TPOPT_LOCAL_ADDRESS 0x1012
#define TPOPT_PEER_ADDRESS 0x1013

/* Bits of the member `flags` of red_info_tcp and red_info_iso. */
#define RED_OFFERED 0x01   /* described by the listener */
#define RED_BOUND 0x02     /* accepted by the server */
#define RED_TAKEN 0x04     /* moved: data flows at the server */
#define RED_LISTENING 0x08 /* baton's own: a listening socket, not a connection */

/* Negative values of `bind_ok` with which a server may refuse; any other negative number is passed on as it is. */
#define REDBIND_REFUSED (-1)       /* no reason given */
#define REDBIND_NO_DESCRIPTOR (-2) /* the server's descriptor table is full */
#define REDBIND_BUSY (-3)          /* the server takes no more at present */

/* ------------------------------------------------------------------------------------------------------------------
 * Addresses of AF_ISO
 */
struct iso_addr {
  unsigned char isoa_len; /* not evaluated */
  char isoa_genaddr[40];  /* NSEL, 8 characters, then TSEL, siso_tlen octets */
};

struct sockaddr_iso {
  unsigned char siso_len;    /* length of this structure */
  unsigned char siso_family; /* AF_ISO */
  unsigned char siso_plen;   /* not supported, 0 */
  unsigned char siso_slen;   /* not supported, 0 */
  unsigned char siso_tlen;   /* length of the TSEL, 0 to 32; 0 in bind: any free one */
  struct iso_addr siso_addr;
  unsigned char siso_pad[6]; /* not evaluated */
};

/* ------------------------------------------------------------------------------------------------------------------
 * The handoff's structures, as the seed has them. docs/cmsg_redhdr.md says of every member what each call puts there.
 */
struct red_info_tcp {
  short fd;     /* file descriptor (listener) */
  short port;   /* port number, host byte order; cast to unsigned short */
  short domain; /* address family */
  short flags;  /* flags of success: RED_* */
  int cid;      /* low 31 bits of the move's id */
  int if_index; /* interface index listener process */
  int rwindow;  /* max read window, octets (SO_RCVBUF) */
  int wwindow;  /* max write window, octets (SO_SNDBUF) */
};

struct red_info_iso {
  short fd;      /* file descriptor (listener) */
  short domain;  /* address family */
  short flags;   /* flags of success: RED_* */
  short tsellen; /* length of TSEL */
  int rwindow;   /* max read window */
  int wwindow;   /* max write window */
  char tsel[32]; /* TSEL application */
  char tesn[8];  /* TESN hostname */
};

struct red_info_svrs {
  short domain;    /* domain (server[accept]) */
  short fd_server; /* file descriptor (server[accept]), a number in the server's process */
  int tsor_server; /* the server's transport reference of the link */
  int cref_server; /* low 31 bits of the move's id */
};

struct cmsg_redhdr {
  unsigned int cmsg_len; /* data byte count, including hdr */
  int cmsg_level;        /* originating protocol */
  int cmsg_type;         /* protocol-specific type of operation */
  union {
    char tsap_name[TSAPNAMMAXLEN]; /* needed tsap_name for shared tsap */
    struct red_info_iso red_liso;  /* needed tsap_name for iso shared tsap */
    struct red_info_tcp red_ltcp;  /* info of listen socket */
    struct red_info_tcp red_ctcp;  /* info of client */
    struct red_info_svrs red_svrs; /* info of server socket ("accept") */
  } cmsg_redhdr_info;
  short bind_ok;       /* REDBIND_OK, or a negative reason */
  short handoff_ok;    /* 1: the end point has moved */
  short tsap_name_len; /* length of tsap_name; 0 where the union holds another member */
  short fd_server;     /* file descriptor redirected socket */
  short domain;        /* address family */
  int tsn;             /* process id of the server's process */
#define redhdr_tsap_name cmsg_redhdr_info.tsap_name
#define redhdr_red_liso cmsg_redhdr_info.red_liso
#define redhdr_red_ltcp cmsg_redhdr_info.red_ltcp
#define redhdr_red_ctcp cmsg_redhdr_info.red_ctcp
#define redhdr_red_svrs cmsg_redhdr_info.red_svrs
};

/* ------------------------------------------------------------------------------------------------------------------
 * The manual's calls, for AF_INET, AF_INET6 and AF_ISO. Other families go to the kernel as they are.
 */
int soc_socket(int domain, int type, int protocol);
int soc_bind(int s, const void* name, int namelen);
int soc_listen(int s, int backlog);
int soc_accept(int s, void* addr, socklen_t* addrlen);
int soc_connect(int s, const void* name, int namelen);
int soc_getsockname(int s, void* name, socklen_t* namelen);
int soc_getpeername(int s, void* name, socklen_t* namelen);
int soc_getsockopt(int s, int level, int optname, void* optval, socklen_t* optlen);
int soc_setsockopt(int s, int level, int optname, const void* optval, int optlen);
ssize_t soc_send(int s, const void* msg, size_t len, int flags);
ssize_t soc_sendto(int s, const void* msg, size_t len, int flags, const void* to, int tolen);
ssize_t soc_recv(int s, void* buf, size_t len, int flags);
ssize_t soc_recvfrom(int s, void* buf, size_t len, int flags, void* from, socklen_t* fromlen);
ssize_t soc_sendmsg(int s, const struct msghdr* msg, int flags);
ssize_t soc_recvmsg(int s, struct msghdr* msg, int flags);
int soc_shutdown(int s, int how);
int soc_select(int nfds, fd_set* readfds, fd_set* writefds, fd_set* exceptfds, struct timeval* timeout);

ssize_t soc_read(int s, void* buf, size_t nbytes);
ssize_t soc_readv(int s, const struct iovec* iov, int iovcnt);
ssize_t soc_write(int s, const void* buf, size_t nbytes);
ssize_t soc_writev(int s, const struct iovec* iov, int iovcnt);
int soc_close(int s);
/* timeout in SECONDS, as the manual has it: 0 tests, -1 waits for ever. */
int soc_poll(struct pollfd fds[], unsigned long nfds, int timeout);
int soc_ioctl(int s, unsigned long request, void* argument);
/* Ends the select or soc_poll of process *pid with EINTR; kept for its next one if it is in none. Async-signal-safe. */
int soc_wake(const int* pid);

/* ------------------------------------------------------------------------------------------------------------------
 * baton's own calls
 */

/* What the library has read of `link` and not yet delivered: number of units (TSDU parts, offers, answers; and one for
 * credit, once soc_give or soc_hold has failed for want of it), or -1.
 * Ask before waiting with poll(2) or epoll(7), as with SSL_pending. */
int soc_pending(int link);

/* As soc_poll, with the timeout in milliseconds. */
int soc_poll_ms(struct pollfd fds[], unsigned long nfds, int timeout_ms);

/* How long the next calls of this thread wait for an AF_ISO socket or an end point in a move, whatever their mode:
 * until `until` on CLOCK_MONOTONIC, then ETIMEDOUT; {0, 0}: not at all, EWOULDBLOCK; NULL (as it begins): as the mode
 * says. A move that is under way then is called off, as by TPOPT_MOVE_TIMEOUT; the earlier of both holds. Not meant are
 * calls that bring a time of their own, and what the kernel waits for: TCP end points. EINVAL. */
int soc_deadline(const struct timespec* until);

/* How far the stream of a TCP connection has been read and written, by the kernel's own counters: for logs. Only
 * differences have a meaning; they hold across a move. Of an AF_ISO connection to another host: of what carries it.
 * EBUSY: in a data stop; EOPNOTSUPP: no TCP; ENOTCONN; EAGAIN: it changes too fast to be read, try again. */
struct soc_stream_position {
  uint64_t consumed; /* octets that were read */
  uint64_t written;  /* octets that were written */
  uint64_t unread;   /* octets that have arrived and were not read */
};
int soc_position(int s, struct soc_stream_position* position);

/* Takes the move of end point `fd` back. Before TPOPT_REDI_CALL: 0, the end point is usable again. After it: asks the
 * server; EINPROGRESS, the outcome comes by getsockopt(TPOPT_REDI_CALL). ENOENT: `fd` is in no move of this link. */
int soc_cancel(int link, int fd);

/* Lets go of a move that is in doubt (id 0: of all on this link, a group's apart) without knowing the outcome: the one
 * call that can lose a connection. Returns how many were let go. */
int soc_abandon(int link, uint64_t id);

/* Asks the server for an express move back that is in doubt (id 0: for all on this link). Whatever it did first holds;
 * the outcome comes by soc_outcomes: ECANCELED and the end point, moved, or any other. Returns how many were asked for:
 * fewer than all if the link is full (then again, after soc_outcomes), 0 if it has ended. */
int soc_recall(int link, uint64_t id);

/* Express moves: offer and call at once, one round trip, up to 252 in a message. */
struct soc_move {
  int fd;      /* soc_give: the end point, which the library takes over; outcomes: given back, or -1; soc_take: new */
  int error;   /* outcome: 0 = moved, else an errno; soc_give: why this one was not accepted for the journey */
  uint64_t id; /* of the move: unique on its link */
  void* data;  /* soc_give: octets already read from the client; soc_take: the caller's buffer, or NULL */
  uint32_t length; /* octets at data; soc_take: in: room, out: octets that came; SOC_GROUP_END: moves in the group */
  /* What the application says of the end point. soc_give, soc_hold: the caller's, needed until the call returns.
   * soc_take: allocated by the library, NULL if there is none: free(3). Up to 64 KiB goes with the message, more in a
   * sealed memfd, which needs one credit more. */
  void* blob;
  uint32_t blob_length; /* octets at blob, at most SOC_BLOB_MAX; more: EMSGSIZE */
  int kind;             /* soc_take, soc_outcomes: SOC_CONNECTION or SOC_LISTENING; found out by soc_give, soc_hold */
  int flags;            /* soc_take: SOC_HELD, SOC_GROUP_END, or 0 */
};
#define SOC_MOVES_MAX 252
#define SOC_BLOB_MAX 16777216 /* octets */
#define SOC_CONNECTION 0
#define SOC_LISTENING 1 /* a listening TCP socket: the connections that wait in its queue go with it */
#define SOC_HELD 1      /* fd is a parked number: the end point itself takes its place when soc_ready succeeds */
#define SOC_GROUP_END 2 /* no end point: all of the group has come, `length` moves; next: soc_ready */

/* Sends the first `count` moves. Returns how many were accepted, in order (then moves[i].fd belongs to the library
 * until the outcome is collected), or -1 when none was: EAGAIN no credit (soc_poll shows the link readable, once, when
 * there is some) or buffer full, else the error of moves[0].
 * Never waits for outcomes; waits for credit if the link is in blocking mode. */
int soc_give(int link, struct soc_move* moves, int count);

/* Groups: moves that commit together, for a restart. The listener holds all it has, then commits; the server takes the
 * parked numbers with soc_take up to SOC_GROUP_END, makes itself ready, and calls soc_ready. Until the commit all of it
 * is the listener's: if the server dies, declines, closes the link or a parked number, or cannot take a single one, all
 * comes back; if the listener dies, its connections end as if there were no move. After it each move goes its own way
 * as after soc_give: the server takes it even if the listener dies, and what a dead server has not touched comes back.
 * One group at a time in each direction of a link. A partner whose baton is too old for groups: EOPNOTSUPP. */

/* Listener: as soc_give, into the link's group. ECANCELED, ECONNRESET: the group is off and its end points are among
 * the outcomes; soc_commit or soc_abort ends it, then another can begin. EPROTO: it is complete; EINPROGRESS: outcomes
 * of the group before are missing. */
int soc_hold(int link, struct soc_move* moves, int count);

/* Listener: the group is complete; waits until the server is ready, and commits: 0, the outcomes follow
 * (soc_outcomes). timeout_ms -1 = for ever. ETIMEDOUT, or EWOULDBLOCK with 0: the server is not ready yet, nothing has
 * changed: call again, or soc_abort. ENOENT: no group. Others, as ECANCELED (the server refused) and ECONNRESET (it
 * died): the group is off, and everything comes back by soc_outcomes. */
int soc_commit(int link, int timeout_ms);

/* Listener, before the commit: the group is off, and everything comes back by soc_outcomes. ENOENT: this end gives
 * none, or it is committed. */
int soc_abort(int link);

/* Server, after SOC_GROUP_END: says that it is ready and waits for the commit: how many end points are now usable under
 * their numbers. ETIMEDOUT, EWOULDBLOCK: call again, or soc_decline. ECANCELED: the listener called the group off or
 * died; soc_take says so too while the group is not complete. The parked numbers are to be closed. EPROTO: not
 * complete. */
int soc_ready(int link, int timeout_ms);

/* Server, before the commit: it does not take the group, all of which stays with the listener. The parked numbers are
 * to be closed. One that this end gives on the same link goes on: that is soc_abort's. ENOENT: none has come; EPROTO:
 * it is committed. */
int soc_decline(int link);

/* Collects outcomes of moves given with soc_give: how many (at least 1), 0 on timeout, -1 on error. timeout_ms -1 = for
 * ever. */
int soc_outcomes(int link, struct soc_move* moves, int count, int timeout_ms);

/* Server: takes express moves: how many (at least 1), 0 on timeout, -1 on error (ECONNRESET: the link has ended). */
int soc_take(int link, struct soc_move* moves, int count, int timeout_ms);

/* Server: announces room for up to `count` express moves in all; each is held as a real descriptor. Returns the number
 * held, or -1. Called with a default of 64 by the first soc_take on a link, and what is taken is announced again. After
 * a call with 0, which takes nothing back, nothing is announced until the next call. */
int soc_credit(int link, int count);

/* AF_ISO connections across exec. soc_export writes what `s` is besides its descriptor into `state` and lets the
 * descriptor stay open at exec; the new program gives both to soc_import, and the connection goes on. In between
 * nothing may be called on `s`, and what soc_export wrote is worth nothing after such a call. Gives the octets written;
 * room 0 and state NULL: how many they would be; EMSGSIZE: too little room. ENOTCONN: not connected (bind and listen
 * are done again); EBUSY: another call uses it, or more is read ahead; EALREADY: moves go on over it. */
ssize_t soc_export(int s, void* state, size_t room);
/* EINVAL: not what soc_export wrote, or `s` is another socket; EISCONN: it is an AF_ISO socket here already; EUCLEAN:
 * somebody read or wrote it in between. */
int soc_import(int s, const void* state, size_t length);

/* Counters of this process since its start. */
struct soc_statistics {
  uint32_t size; /* sizeof(struct soc_statistics): set by the caller, the library fills no more */
  uint32_t version;
  uint64_t offered;     /* listener: moves begun */
  uint64_t moved;       /* listener: moves with outcome "taken" */
  uint64_t refused;     /* listener: answers or calls refused by the server */
  uint64_t cancelled;   /* listener: moves called off before the call */
  uint64_t given_back;  /* listener: end points that came back after the call */
  uint64_t in_doubt;    /* listener: now between call and outcome */
  uint64_t touched;     /* listener: end points reset because the stream was not where it should be */
  uint64_t abandoned;   /* listener: let go without an outcome */
  uint64_t received;    /* server: offers and express calls received */
  uint64_t taken;       /* server: end points taken */
  uint64_t links;       /* AF_ISO connections open now */
  uint64_t pause_count; /* server: takes with a measured pause: data stop to take */
  uint64_t pause_total_ns;
  uint64_t pause_longest_ns;
};
int soc_get_statistics(struct soc_statistics* statistics);

/* Says where the host `nsel` (1 to 8 characters) is, in front of the hosts file (BATON_HOSTS): `addresses` as in a line
 * of it, "192.0.2.7", "192.0.2.7:1102", "[2001:db8::7]:102 plc.example.org"; port 102 where none is named. NULL forgets
 * it. For this process; EINVAL. */
int soc_set_host(const char* nsel, const char* addresses);

/* on = 1: answers on a status socket, status/<pid> in the runtime folder (AF_UNIX stream: connect, read one JSON
 * document); 0: no longer. Also switched on by BATON_STATUS=1 at the first socket. */
int soc_status(int on);

/* One sentence about the last failure of this thread, with what to do; never NULL. Valid until this thread's next call.
 */
const char* soc_error_text(void);

/* "major.minor.patch" of the library at run time. */
const char* soc_version(void);

#ifdef __cplusplus
}
#endif
#endif
