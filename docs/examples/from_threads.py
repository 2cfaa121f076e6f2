"""A program of threads, and the same with tasklets."""

import queue
import threading

import martlet


def crawl_with_threads(urls, fetch, how_many):
    work, results, lock = queue.Queue(), {}, threading.Lock()

    def worker():
        while (url := work.get()) is not None:
            page = fetch(url)
            with lock:
                results[url] = page

    threads = [threading.Thread(target=worker) for _ in range(how_many)]
    for thread in threads:
        thread.start()
    for url in urls:
        work.put(url)
    for _ in threads:
        work.put(None)
    for thread in threads:
        thread.join()
    return results


def crawl_with_the_same_names(urls, fetch, how_many):
    work, results, lock = martlet.Queue(), {}, martlet.Lock()

    def worker():
        while (url := work.get()) is not None:
            page = fetch(url)
            with lock:
                results[url] = page

    with martlet.scope() as inside:
        for _ in range(how_many):
            inside.spawn(worker)
        for url in urls:
            work.put(url)
        for _ in range(how_many):
            work.put(None)
    return results


def crawl(urls, fetch):
    return dict(zip(urls, martlet.map(fetch, urls, limit=100)))


def fetch(url):
    martlet.sleep(0.001)  # a request
    return f"the page {url}"


if __name__ == "__main__":
    urls = [str(n) for n in range(200)]
    expected = {url: f"the page {url}" for url in urls}
    assert crawl_with_threads(urls, fetch, 20) == expected
    assert martlet.run(crawl_with_the_same_names, urls, fetch, 20) == expected
    assert martlet.run(crawl, urls, fetch) == expected
