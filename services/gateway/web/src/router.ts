// The routes, and which of them require a session.
import { nextTick } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import ContactNewPage from './pages/ContactNewPage.vue'
import ContactPage from './pages/ContactPage.vue'
import ContactsPage from './pages/ContactsPage.vue'
import ErasurePage from './pages/ErasurePage.vue'
import HomePage from './pages/HomePage.vue'
import ImportPage from './pages/ImportPage.vue'
import ImportProgressPage from './pages/ImportProgressPage.vue'
import LoginPage from './pages/LoginPage.vue'
import NotFoundPage from './pages/NotFoundPage.vue'
import NotificationsPage from './pages/NotificationsPage.vue'
import PathPage from './pages/PathPage.vue'
import ProfilePage from './pages/ProfilePage.vue'
import RegisterPage from './pages/RegisterPage.vue'
import SearchPage from './pages/SearchPage.vue'
import { signedIn } from './tokens'

const page = (path: string, component: object, title: string, open = false) => ({ path, component, meta: { title, open } })

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    page('/', HomePage, 'My network'),
    page('/register', RegisterPage, 'Create an account', true),
    page('/login', LoginPage, 'Sign in', true),
    page('/erasure/:id', ErasurePage, 'Account deleted', true),
    page('/import', ImportPage, 'Import contacts'),
    page('/import/:id', ImportProgressPage, 'Import'),
    page('/contacts', ContactsPage, 'Contacts'),
    page('/contacts/new', ContactNewPage, 'New contact'),
    page('/contacts/:id', ContactPage, 'Contact'),
    page('/path', PathPage, 'Find a path'),
    page('/search', SearchPage, 'Search'),
    page('/notifications', NotificationsPage, 'Notifications'),
    page('/profile', ProfilePage, 'Profile'),
    page('/:rest(.*)*', NotFoundPage, 'Not found', true),
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

router.beforeEach((to) => {
  if (!to.meta.open && !signedIn()) return { path: '/login', query: to.path === '/' ? {} : { next: to.fullPath } }
  if ((to.path === '/login' || to.path === '/register') && signedIn()) return '/'
})

// Moves the focus to the heading of a new page, for keyboard and screen reader users.
router.afterEach(async (to, from) => {
  document.title = `${to.meta.title} - Kith`
  if (!from.matched.length || to.path === from.path) return
  await nextTick()
  document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
})
