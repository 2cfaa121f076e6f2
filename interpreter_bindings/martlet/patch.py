"""Makes the standard library block the tasklet only: `import martlet.patch`, before the modules that use it.

    import martlet.patch
    import http.client, urllib.request      # and libraries over them, and over socket, ssl and threading

What is changed, in the whole process: `socket.socket` and what makes one, `socket.getaddrinfo`, TLS sockets, `select.select`,
`selectors.SelectSelector` and `PollSelector`, `time.sleep`, `subprocess.Popen.wait` and `communicate`, `queue.SimpleQueue`; in `threading`
the locks, `local`, `Timer`, and `Thread`, which a tasklet starts as another tasklet. In a function tasklet they block the tasklet only; on
a plain thread they do what they always did; in a coroutine, which they would block, they raise Misuse, unless nothing has to be waited
for. Sockets, sleeps and locks can be cancelled; the resolver, `select`, selectors and processes, which are given to a thread for as
long as they take, cannot. Code that took a name from one of these modules before (`from time import sleep`) keeps the old one.

Not changed: files and pipes, C libraries with sockets of their own, asyncio (`asyncio.run` in a tasklet holds up its worker), and
`multiprocessing`, whose forked children cannot use the tasklets of their parent. Use martlet.blocking for those.
"""

import queue
import select
import selectors
import socket
import ssl
import subprocess
import threading
import time

import martlet
from martlet._martlet import _let_loops_block, readiness

_select = select.select
_poll = select.poll
_sleep = time.sleep
_getaddrinfo = socket.getaddrinfo
_current_thread = threading.current_thread
_get_ident = threading.get_ident
_Thread = threading.Thread

_in_tasklet = martlet.current  # null on a plain thread


# ---- sockets


class Socket(socket.socket):
    """A socket.socket whose descriptor never blocks: its time limit is kept here."""

    _limit = None

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        super().__init__(family, type, proto, fileno)
        self.settimeout(socket.getdefaulttimeout())

    def settimeout(self, value):
        super().settimeout(value)  # which refuses what is none
        super().settimeout(0)
        self._limit = None if value is None else float(value)

    def gettimeout(self):
        return self._limit

    def setblocking(self, flag):
        self.settimeout(None if flag else 0.0)

    def getblocking(self):
        return self._limit != 0

    timeout = property(gettimeout)

    def recv(self, *args):
        return self._wait_to(super().recv, args)

    def recv_into(self, *args, **keywords):
        return self._wait_to(super().recv_into, args, keywords)

    def recvfrom(self, *args):
        return self._wait_to(super().recvfrom, args)

    def recvfrom_into(self, *args, **keywords):
        return self._wait_to(super().recvfrom_into, args, keywords)

    def recvmsg(self, *args):
        return self._wait_to(super().recvmsg, args)

    def recvmsg_into(self, *args):
        return self._wait_to(super().recvmsg_into, args)

    def send(self, *args):
        return self._wait_to(super().send, args, write=True)

    def sendto(self, *args):
        return self._wait_to(super().sendto, args, write=True)

    def sendmsg(self, *args):
        return self._wait_to(super().sendmsg, args, write=True)

    def sendall(self, data, flags=0):
        due = self._due()
        with memoryview(data) as view, view.cast("B") as left:
            sent = 0
            while sent < len(left):
                sent += self._wait_to(super().send, (left[sent:], flags), write=True, due=due)

    def _accept(self):
        return self._wait_to(super()._accept)

    def connect(self, address):
        error = self._begin_connect(address)
        if error:
            raise OSError(error, socket.os.strerror(error))

    def connect_ex(self, address):
        try:
            return self._begin_connect(address)
        except TimeoutError:
            return socket.errno.EAGAIN

    def detach(self):
        self._forget()
        super().settimeout(self._limit)  # whoever has it next
        return super().detach()

    def _real_close(self, *args):
        self._forget()
        super()._real_close(*args)

    def _forget(self):
        mine = self.__dict__.pop("_readiness", None)
        if mine is not None:
            mine.close()

    def _begin_connect(self, address):
        error, due = super().connect_ex(address), self._due()
        if self._limit == 0:
            return error
        while error == socket.errno.EAGAIN:  # the queue of a Unix socket is full, and no event tells when it is not
            if due is not None and due <= martlet.now():
                raise TimeoutError("timed out")
            time.sleep(0.005)
            error = super().connect_ex(address)
        if error not in _under_way:
            return error
        self._wait_until(True, due)
        return self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _due(self):
        return None if self._limit is None else martlet.now() + self._limit

    def _wait_to(self, operation, args=(), keywords={}, write=False, due=None):
        """Calls an operation until it does not block any more."""
        while True:
            try:
                return operation(*args, **keywords)
            except BlockingIOError:
                if self._limit == 0:
                    raise
            except ssl.SSLWantReadError:
                if self._limit == 0:
                    raise
                write = False
            except ssl.SSLWantWriteError:
                if self._limit == 0:
                    raise
                write = True
            if due is None:
                due = self._due()
            self._wait_until(write, due)

    def _wait_until(self, write, due):
        left = None if due is None else due - martlet.now()
        if left is None or left > 0:
            if _in_tasklet() is None:
                poll = _poll()
                poll.register(self.fileno(), select.POLLOUT if write else select.POLLIN)
                came = poll.poll(None if left is None else left * 1000)
            else:
                mine = self.__dict__.get("_readiness") or self.__dict__.setdefault("_readiness", readiness(self.fileno()))
                came = mine.wait(write, left)
            if came:
                return
        raise TimeoutError("timed out")


_under_way = (socket.errno.EINPROGRESS, socket.errno.EALREADY)


class SSLSocket(ssl.SSLSocket, Socket):
    """An ssl.SSLSocket over one of those."""

    def read(self, *args):
        return self._wait_to(super().read, args)

    def write(self, *args):
        return self._wait_to(super().write, args, write=True)

    def recv(self, *args):
        return self._wait_to(super().recv, args)

    def send(self, *args):
        return self._wait_to(super().send, args, write=True)

    def sendall(self, data, flags=0):
        return ssl.SSLSocket.sendall(self, data, flags)  # over send

    def do_handshake(self, block=False):
        return self._wait_to(super().do_handshake, (block,))

    def unwrap(self):
        return self._wait_to(super().unwrap)


# ---- what is given to a thread for as long as it takes


def _given_to_a_thread(function):
    def call(*args, **keywords):
        if _in_tasklet() is None:
            return function(*args, **keywords)
        return martlet.blocking(function, *args, **keywords)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    return call


def sleep(seconds, /):
    if _in_tasklet() is None:
        _sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        martlet.sleep(seconds)


# ---- threads


class _OfTasklet(martlet.local):
    thread = None


_mine = _OfTasklet()


class Thread(_Thread):
    """A threading.Thread that is a tasklet when a tasklet starts it."""

    _tasklet = None

    def start(self):
        if _in_tasklet() is None:
            return super().start()
        if self._tasklet is not None:
            raise RuntimeError("threads can only be started once")
        self._tasklet = martlet.spawn(self._run_in_tasklet, name=self.name)

    def _run_in_tasklet(self):
        _mine.thread = self
        try:
            self.run()
        except SystemExit:
            pass
        except Exception:
            threading.excepthook(threading.ExceptHookArgs((*socket.sys.exc_info(), self)))

    def join(self, timeout=None):
        if self._tasklet is None:
            return super().join(timeout)
        if _mine.thread is self:
            raise RuntimeError("cannot join current thread")
        try:
            self._tasklet.join(timeout)
        except martlet.DeadlinePassed:
            pass
        except martlet.Cancelled:
            if not self._tasklet.done():
                raise  # the caller is to stop, not the thread

    def is_alive(self):
        return super().is_alive() if self._tasklet is None else not self._tasklet.done()

    @property
    def ident(self):
        return super().ident if self._tasklet is None else id(self._tasklet)


class _Adopted(Thread):
    """A tasklet that nobody started as a thread."""

    def __init__(self, handle):
        super().__init__(name=handle.name, daemon=True)
        self._tasklet = handle


# As the original, over that class.
Timer = type("Timer", (Thread,), {name: vars(threading.Timer)[name] for name in ("__doc__", "__init__", "cancel", "run")})


class SimpleQueue(martlet.Queue):
    """A queue.SimpleQueue that is a martlet.Queue."""

    def __init__(self):
        super().__init__()


def current_thread():
    """threading.current_thread, of tasklets too."""
    tasklet = _in_tasklet()
    if tasklet is None:
        return _current_thread()
    if _mine.thread is None:
        _mine.thread = _Adopted(tasklet)
    return _mine.thread


def get_ident():
    """threading.get_ident, of tasklets too."""
    tasklet = _in_tasklet()
    return _get_ident() if tasklet is None else id(tasklet)


def _apply():
    socket.socket = socket.SocketType = Socket
    socket.getaddrinfo = _given_to_a_thread(_getaddrinfo)
    ssl.SSLContext.sslsocket_class = SSLSocket
    select.select = _given_to_a_thread(_select)
    for kind in (selectors.SelectSelector, selectors.PollSelector):  # asyncio's is another one
        kind.select = _given_to_a_thread(kind.select)
    time.sleep = sleep
    subprocess.Popen.wait = _given_to_a_thread(subprocess.Popen.wait)
    subprocess.Popen.communicate = _given_to_a_thread(subprocess.Popen.communicate)
    for name in ("Lock", "RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier", "local"):
        setattr(threading, name, getattr(martlet, name))
    threading.Thread = Thread
    threading.Timer = Timer
    queue.SimpleQueue = SimpleQueue
    threading.current_thread = current_thread
    threading.get_ident = get_ident
    _let_loops_block()


_apply()
