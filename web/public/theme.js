// Runs before the first paint, so that a chosen theme or language never flashes. A file of its own: the page's policy forbids inline scripts.
(function () {
  try {
    var prefs = JSON.parse(localStorage.getItem('hinomi.prefs') || '{}');
    if (prefs.theme === 'light' || prefs.theme === 'dark') document.documentElement.dataset.theme = prefs.theme;
    document.documentElement.lang = prefs.lang || (navigator.language.startsWith('ja') ? 'ja' : 'en');
  } catch {
    document.documentElement.lang = 'en';
  }
})();
